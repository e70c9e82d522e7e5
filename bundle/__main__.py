"""Print the folder of the config files: configs=$(python -m bundle)."""

from bundle import CONFIGS

print(CONFIGS)
