"""Print the folder of the config files, configs=$(python -m bundle); with arguments do what `icam` does with them."""

import sys

from bundle import CONFIGS

if len(sys.argv) > 1:
    from bundle.command_line import main

    sys.exit(main())
print(CONFIGS)
