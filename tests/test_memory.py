"""Memory that is kept when it is freed."""

import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from bundle.memory import keep_memory
keep_memory({keep})
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for repetition in range(20):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only glibc hands memory back, and can be kept from it")
@pytest.mark.parametrize("keep", [True, False])
def test_pages_are_filled_again_only_when_memory_is_not_kept(keep: bool) -> None:
    pages = int(subprocess.run([sys.executable, "-c", COUNT.format(keep=keep)], check=True, stdout=subprocess.PIPE).stdout)
    assert (pages < 10 * 2**14) == keep  # of 20 times 2**14
