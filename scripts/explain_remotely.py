"""Send a scan to a server that scripts/serve.sh started, and save its maps, class and probabilities.

Usage: python scripts/explain_remotely.py SCAN --output_dir FOLDER [--model conversion] [--num_samples 20] [--target 1]

For a scan called NAME, NAME_fa_mean.nii.gz and NAME_fa_variance.nii.gz (or those of `--maps`), on the scan's own grid, and
NAME.json. Needs no other file of the bundle, and of Python nothing but `requests`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Any

import requests

SERVER = "http://127.0.0.1:8000"
MAPS = ("fa_mean", "fa_variance")
OF_SERVER = ("map", "label_names", "latencies", "centroids")  # what an answer says beside the result
TIMEOUT = 600  # seconds that a map may take


def explain(
    scan: str | Path,
    output_dir: str | Path,
    server: str = SERVER,
    model: str = "lesions",
    maps: Sequence[str] = MAPS,
    **settings: Any,
) -> dict[str, Any]:
    """Have a scan explained and save the answer.

    Args:
        scan: NIfTI file.
        output_dir: Where the maps and the result go; made when absent.
        server: Address of the server.
        model: Name of a model that it serves.
        maps: Which maps; each is a request of its own, with the same draws.
        settings: What else a request may set, such as `num_samples` and `target`.

    Returns:
        `predicted_class`, `probabilities`, `target_class`, and of networks with regression `predicted_age`, years.

    Raises:
        OSError: When the scan does not exist, or no server answers.
        ValueError: When the server refuses the request; the message is the server's.
    """
    scan, output_dir = Path(scan), Path(output_dir)
    name = scan.name.removesuffix(".gz").removesuffix(".nii")
    answers = {wanted: request_map(scan.name, scan.read_bytes(), server, model, map=wanted, **settings) for wanted in maps}
    output_dir.mkdir(parents=True, exist_ok=True)
    for wanted, (image, _) in answers.items():
        (output_dir / f"{name}_{wanted}.nii.gz").write_bytes(image)
    answer = answers[maps[0]][1]
    result = {key: value for key, value in answer.items() if key not in OF_SERVER}
    (output_dir / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def request_map(name: str, scan: bytes, server: str, model: str, **settings: Any) -> tuple[bytes, dict[str, Any]]:
    """Send one request.

    Args:
        name: Name of the scan's file.
        scan: Its content.
        server: Address of the server.
        model: Name of a model that it serves.
        settings: What the request sets; those that are None are left out.

    Returns:
        Content of the map's NIfTI file, and the rest of the answer.

    Raises:
        OSError: When no server answers.
        ValueError: When the server refuses the request; the message is the server's.
    """
    params = json.dumps({key: value for key, value in settings.items() if value is not None})
    answer = requests.post(
        f"{server.rstrip('/')}/infer/{model}?output=all",
        files={"file": (name, scan)},
        data={"params": params},
        timeout=TIMEOUT,
    )
    if answer.status_code != requests.codes.ok:
        kind = answer.headers.get("content-type", "")
        raise ValueError(f"{name}: {answer.json()['detail'] if 'json' in kind else answer.text}")
    parts = read_parts(answer.headers["content-type"], answer.content)
    return parts["image"], json.loads(parts["params"])


def read_parts(content_type: str, content: bytes) -> dict[str, bytes]:
    """Take an answer of several parts apart.

    Args:
        content_type: The header, which says where parts begin.
        content: The answer.

    Returns:
        Content of each part under its name.
    """
    parts: Any = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content).get_payload()
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}


def main() -> None:
    """Read the command line, explain the scan and print its class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", help="NIfTI file")
    parser.add_argument("--output_dir", required=True, help="where the maps go")
    parser.add_argument("--server", default=SERVER, help=f"default {SERVER}")
    parser.add_argument("--model", default="lesions", help="name of a model that the server has, default lesions")
    parser.add_argument("--maps", nargs="+", default=MAPS, help="default fa_mean fa_variance; translated is the third")
    parser.add_argument("--num_samples", type=int, help="draws over which mean and variance are taken")
    parser.add_argument("--target", type=int, help="class that the scan is translated to")
    try:
        print(json.dumps(explain(**vars(parser.parse_args()))))
    except (OSError, ValueError) as error:  # requests' own errors are OSErrors
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
