"""What the columns of a cohort do not allow to be computed, in sentences."""

from collections.abc import Iterator, Sequence

from bundle.evaluation.known_scans import Row


def find_gaps(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a sentence for all that is left out of the test split with these entries."""
    columns = {key for row in rows for key in row}
    if not {"mask", "effect", "disease_map"} & columns:
        yield "no columns mask, effect or disease_map: no figures of maps (NCC), which are drawn all the same"
    elif "disease_map" in columns:
        if not {"pair", "session_id"} <= columns:
            yield "no columns pair and session_id: no longitudinal maps, repeats and volume effects"
        elif "regions" not in columns:
            yield "no column regions: no volume effects"
    else:
        if "mask" not in columns:
            yield "no column mask: no NCC under the paper's protocol, and no NCC(-) of exemplar maps"
        if not {"parcel_map", "mask"} <= columns:
            yield "no columns mask and parcel_map: no paired NCC(+), no exact change"
        elif "effect" not in columns:
            yield "no column effect: no paired NCC of sampled maps, no exact change"
    if "brain_mask" not in columns and {"mask", "effect", "disease_map"} & columns:
        yield "no column brain_mask: no NCC inside the brain"
    if "anatomy" not in columns:
        yield "no column anatomy: seen and unseen anatomies are not separated"
    paired = ["disease_map" in row for row in rows if "pair" in row]
    if any(paired) and not all(paired):
        yield f"{paired.count(False)} of {len(paired)} scans with a pair have no disease map: no NCC of them"
