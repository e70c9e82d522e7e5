"""MONAI's bundle as `icam` starts it: Ctrl-C is one sentence from the start, without MONAI's warnings and line of every start."""

import logging
import runpy
import signal
import sys
import warnings

from bundle.errors import interrupt, show_error

NOISE = ("Setting logging properties", "Not all config files are in")  # first words; the second of files in several folders

if __name__ == "__main__":
    sys.excepthook = show_error
    signal.signal(signal.SIGINT, interrupt)  # imports take seconds
    warnings.filterwarnings("ignore", "parsing config_file")  # of what configs may do; these come with the bundle, or are yours
    logger = logging.getLogger("monai.bundle.workflows")
    logger.addFilter(lambda record: not record.getMessage().startswith(NOISE))
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
