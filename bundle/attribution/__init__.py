"""Feature attribution (FA) maps: how they are made, averaged over views of a scan, and given intervals."""

from bundle.attribution.augmentation import NO_AUGMENTATION, TestTimeAugmentation
from bundle.attribution.encoded_scans import EncodedScans
from bundle.attribution.maps import REFERENCES, exemplar_maps, interpolate, sampled_maps, single_maps, value_maps
from bundle.attribution.sources import (
    AttributeSource,
    MixtureSource,
    PriorSource,
    TrainingSource,
    choose_source,
    describe_sampling,
    encode_attributes,
)

__all__ = [
    "NO_AUGMENTATION",
    "REFERENCES",
    "AttributeSource",
    "EncodedScans",
    "MixtureSource",
    "PriorSource",
    "TestTimeAugmentation",
    "TrainingSource",
    "choose_source",
    "describe_sampling",
    "encode_attributes",
    "exemplar_maps",
    "interpolate",
    "sampled_maps",
    "single_maps",
    "value_maps",
]
