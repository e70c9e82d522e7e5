"""What the client does without a server."""

import subprocess
import sys
from pathlib import Path

import pytest
from explain_remotely import read_parts
from urllib3 import encode_multipart_formdata

ROOT = Path(__file__).parents[2]


def run_client(*arguments: object) -> str:
    """Run the client and return what it says when it fails."""
    command = [sys.executable, "scripts/explain_remotely.py", *map(str, arguments)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    return result.stderr


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
def test_parts_of_an_answer_are_the_bytes_that_were_sent(ending: bytes):
    image = bytes(range(256)) * 20 + b"\r\n--\r\n" + ending
    content, content_type = encode_multipart_formdata({"params": '{"a": 1}', "image": ("map.nii.gz", image)})
    assert read_parts(content_type, content) == {"params": b'{"a": 1}', "image": image}


def test_a_scan_that_does_not_exist_is_named(tmp_path: Path):
    message = run_client(tmp_path / "none.nii.gz", "--output_dir", tmp_path)
    assert message.startswith("Error: ") and "none.nii.gz" in message and message.count("\n") == 1


def test_a_server_that_does_not_answer_is_named(tmp_path: Path):
    (tmp_path / "scan.nii.gz").write_bytes(b"")
    message = run_client(tmp_path / "scan.nii.gz", "--output_dir", tmp_path / "maps", "--server", "http://127.0.0.1:9")
    assert message.startswith("Error: ") and "127.0.0.1" in message and message.count("\n") == 1
    assert not (tmp_path / "maps").exists()
