"""Colours of maps in all pictures and pages: lighter is stronger, so that strong change stands out on a grey scan.

Grey has no hue, so that red to yellow and blue to cyan are seen on dark and on bright tissue; readers with any colour vision tell
them apart.
"""

from matplotlib.colors import LinearSegmentedColormap

POSITIVE, NEGATIVE = ["#8a1414", "#e03a1a", "#ffe14d"], ["#14287a", "#1f7fe0", "#8ff0ff"]  # from zero outwards
HIGH, LOW = "red to yellow", "blue to cyan"  # their names
SPREAD = "magma"  # of what has no sign, such as standard deviations; in matplotlib
SIGNED = LinearSegmentedColormap.from_list("signed", [*NEGATIVE[::-1], "#000000", *POSITIVE])  # black at zero, for maps alone
OVER_SCAN = LinearSegmentedColormap.from_list(  # for maps of which no zero is drawn
    "over_scan",
    [(place / 2, colour) for place, colour in zip((0.0, 0.5, 1.0), NEGATIVE[::-1], strict=True)]
    + [((1 + place) / 2, colour) for place, colour in zip((0.0, 0.5, 1.0), POSITIVE, strict=True)],
)
