"""Write configs/inference.json from configs/inference.yaml.

The YAML is the source, with its comments. `monai.bundle.load` and the checks of MONAI's model zoo read JSON only.
"""

import json
from pathlib import Path

import yaml

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def main() -> None:
    """Write the JSON beside the YAML."""
    config = yaml.safe_load((CONFIGS / "inference.yaml").read_text())
    (CONFIGS / "inference.json").write_text(json.dumps(config, indent=4) + "\n")


if __name__ == "__main__":
    main()
