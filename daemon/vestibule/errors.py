"""What can go wrong, one class a place; each message names the thing, what was received and the remedy."""

from typing import Literal

SourceProblem = Literal["offline", "unauthorised", "frozen"]
"""offline: cannot be reached, or broke; unauthorised: the login is refused; frozen: connected, and sends nothing."""


class VestibuleError(Exception):
    """Base of all errors that the user can mend; the command line prints the message and exits non-zero."""


class ConfigError(VestibuleError):
    """The configuration is missing, unreadable or invalid."""


class SourceError(VestibuleError):
    """A camera or a video file cannot be opened or read; `problem` says of a camera in one word why."""

    def __init__(self, message: str, problem: SourceProblem = "offline") -> None:
        super().__init__(message)
        self.problem: SourceProblem = problem


class ModelError(VestibuleError):
    """A model file is missing, damaged, of another shape or needs a runtime that is not installed."""


class SinkError(VestibuleError):
    """A broker refuses us or an output file cannot be written."""
