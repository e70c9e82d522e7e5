"""Files of a subject in two states."""

import numpy as np
import pytest

from bundle.simulation.anatomies import PARCELS
from bundle.simulation.paired_states import select_parcels


def test_unknown_parcel_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"MT, OP1.*got MT\+V1"):
        select_parcels(np.zeros((2, 2)), "MT+V1", list(PARCELS))
