"""A MONAI Label server on loopback, for as long as the tests of this folder run."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
PATIENCE = 240  # seconds until it must have started


@pytest.fixture(scope="session")
def served_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the server makes its app in."""
    return tmp_path_factory.mktemp("serving") / "app"


@pytest.fixture(scope="session")
def server(served_app: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start scripts/serve.sh and return its address."""
    if not list(ROOT.glob(".venv-serve/.installed-*")):
        pytest.skip(
            "MONAI Label is not installed, 0.8 GB and a start of about a minute, too much for every check of a change:"
            " bash scripts/serve.sh --only_install turns these tests on"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    settings = os.environ | {"PORT": str(port), "APP": str(served_app), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with log.open("w") as output:
        process = subprocess.Popen(["bash", "scripts/serve.sh"], cwd=ROOT, env=settings, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    """Wait until a server answers."""
    for _ in range(PATIENCE):
        try:
            requests.get(f"{address}/info/", timeout=30).raise_for_status()
        except requests.ConnectionError:
            assert process.poll() is None, log.read_text()[-2000:]
            time.sleep(1)
        else:
            return
    pytest.fail(log.read_text()[-2000:])
