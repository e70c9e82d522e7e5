"""MONAI's bundle as `icam` starts it: Ctrl-C is one sentence from the start, without MONAI's warnings and line of every start."""

import logging
import runpy
import signal
import sys
import warnings

from bundle.errors import interrupt, show_error

if __name__ == "__main__":
    sys.excepthook = show_error
    signal.signal(signal.SIGINT, interrupt)  # imports take seconds
    warnings.filterwarnings("ignore", "parsing config_file")  # of what configs may do; these come with the bundle, or are yours
    warnings.filterwarnings("ignore", "Not all config files are in")  # where one is of another folder than the first
    logger = logging.getLogger("monai.bundle.workflows")
    logger.addFilter(lambda record: not record.getMessage().startswith("Setting logging properties"))
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
