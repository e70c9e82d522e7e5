"""Small folders in the layouts of real cohorts, with tiny scans."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import tiny_layouts
from tiny_layouts import VISITS, TinyLayouts, Visit

ADNIMERGE = "RID,PTID,VISCODE,EXAMDATE,EXAMDATE_bl,AGE,PTGENDER,DX_bl,DX,MMSE,FLDSTRENG"


@pytest.fixture
def layouts(tmp_path: Path) -> TinyLayouts:
    """Writes folders of scans below a temporary one."""
    return TinyLayouts(tmp_path)


@pytest.fixture
def make_scan(layouts: TinyLayouts) -> Callable[[Path], Path]:
    """Write a scan of 8 x 8 x 8 voxels, each time another one."""
    return layouts.make_scan


@pytest.fixture
def write_table() -> Callable[..., Path]:
    """Write a TSV or CSV, by its name."""
    return tiny_layouts.write_table


@pytest.fixture
def make_zip(layouts: TinyLayouts) -> Callable[..., Path]:
    """Write an archive that holds scans under the given names."""
    return layouts.make_zip


@pytest.fixture
def make_bids(layouts: TinyLayouts) -> Callable[..., Path]:
    """Write a BIDS folder of visits: (PTID without _, months, diagnosis); age 70 at the first visit, sexes alternate."""
    return layouts.make_bids


@pytest.fixture
def visits() -> list[Visit]:
    """Eight stable participants of each class with two visits each, three controls, and four converters."""
    return list(VISITS)


@pytest.fixture
def write_adnimerge() -> Callable[..., Path]:
    """Write ADNIMERGE.csv of visits, as of `make_bids`, at 3 T; age 68.5 at the first visit."""

    def write(path: Path, visits: Sequence[Visit]) -> Path:
        lines = [ADNIMERGE]
        for person, months, diagnosis in visits:
            code, day = f"m{months:02d}" if months else "bl", f"{2010 + months // 12}-0{1 + months % 12}-15"
            state = "Dementia" if diagnosis == "AD" else diagnosis
            lines.append(f"1,{person.replace('S', '_S_')},{code},{day},2010-01-15,68.5,Female,LMCI,{state},25,3 Tesla MRI")
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
