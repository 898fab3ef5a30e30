"""What holds for every test."""

import logging
import sys
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

# The same examples on every run, however slow the machine.
hypothesis.settings.register_profile("vestibule", deadline=None, derandomize=True)
hypothesis.settings.load_profile("vestibule")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is the process's: leave it to the next test as it was."""
    root = logging.getLogger()
    level, hook = root.level, sys.excepthook
    yield
    for handler in [*root.handlers]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)
    root.setLevel(level)
    sys.excepthook = hook
    for name in ("vestibule", "vestibule_models"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
