"""Feature attribution (FA) maps: how they are made, averaged over views of a scan, and given intervals."""

from bundle.attribution.maps import (
    REFERENCES,
    describe_sampling,
    draw_attributes,
    exemplar_maps,
    interpolate,
    sampled_maps,
    single_maps,
    translate_to_value,
)

__all__ = [
    "REFERENCES",
    "describe_sampling",
    "draw_attributes",
    "exemplar_maps",
    "interpolate",
    "sampled_maps",
    "single_maps",
    "translate_to_value",
]
