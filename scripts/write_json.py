"""Write configs/train.json and configs/inference.json from the YAML of the same name.

The YAML is the source, with its comments. `monai.bundle.load` and the checks of MONAI's model zoo read JSON only.
"""

import json
from pathlib import Path

import yaml

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def main() -> None:
    """Write each JSON beside its YAML."""
    for name in ("train", "inference"):
        config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
        (CONFIGS / f"{name}.json").write_text(json.dumps(config, indent=4) + "\n")


if __name__ == "__main__":
    main()
