"""Which methods are compared."""

from collections.abc import Callable, Mapping, Sequence

from bundle.baselines.methods import PostHoc


def choose_methods(names: Sequence[str], candidates: Mapping[str, Callable[[], PostHoc]]) -> dict[str, PostHoc]:
    """Make the chosen attribution methods.

    Args:
        names: which ones.
        candidates: makes a method, by its name.

    Returns:
        Methods by name, in the order of `names`.

    Raises:
        ValueError: When a name is unknown, there is none, or a method does not suit its classifier.
    """
    unknown = [name for name in names if name not in candidates]
    if unknown or not names:
        raise ValueError(f"methods must name some of {', '.join(candidates)}, got {list(names)}")
    return {name: candidates[name]() for name in names}
