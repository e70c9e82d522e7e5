"""MONAI's bundle as `icam` starts it: without a warning and a line that every start would print."""

import logging
import runpy
import warnings

if __name__ == "__main__":
    warnings.filterwarnings("ignore", "parsing config_file")  # of what configs may do; these come with the bundle, or are yours
    logger = logging.getLogger("monai.bundle.workflows")
    logger.addFilter(lambda record: not record.getMessage().startswith("Setting logging properties"))
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
