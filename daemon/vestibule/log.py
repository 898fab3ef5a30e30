"""What the daemon says of itself, on standard error or to the journal: text for people, JSON lines for machines."""

import logging
import sys
from collections.abc import Collection
from types import TracebackType

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor

from vestibule.journal import JournalHandler, is_journal
from vestibule.redaction import Redactor
from vestibule.sections import LogConfig


class _Mask:
    """The processor that masks secrets in an event."""

    def __init__(self) -> None:
        self.redactor = Redactor(())

    def __call__(self, logger: object, method: str, event: EventDict) -> EventDict:
        del logger, method
        return {key: self.redactor.value(value) for key, value in event.items()}


_mask = _Mask()


def mask_too(secret: SecretStr) -> None:
    """Mask this one as well until the next `configure`: a password that was changed and read again meanwhile."""
    _mask.redactor = _mask.redactor.knowing(secret)


def configure(config: LogConfig, secrets: Collection[SecretStr] = ()) -> None:
    """Set up logging for the whole process; a second call replaces the first.

    Our own events pass from `config.level` on, those of libraries (which log through the standard library, as paho
    does) from warnings on. Each line has `timestamp` (ISO 8601, UTC), `level`, `logger` and `event`. Whatever is in
    `secrets`, and the user part of addresses, is masked in all of them, tracebacks included.

    Args:
        config: the level and the format; `auto` is text on a terminal and JSON lines elsewhere.
        secrets: passwords that must never be written.
    """
    _mask.redactor = Redactor(secrets)
    ours: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*ours, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(config.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    as_text = config.format == "console" or (config.format == "auto" and sys.stderr.isatty())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=ours,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Tracebacks become text before the mask looks, else the renderer writes them past it.
            structlog.processors.format_exc_info,
            _mask,
            _text_renderer(colors=sys.stderr.isatty())
            if as_text
            else structlog.processors.JSONRenderer(sort_keys=False),
        ],
    )
    handler = JournalHandler() if is_journal(2) else logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [*root.handlers]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("vestibule", "vestibule_models"):
        logging.getLogger(name).setLevel(config.level.upper())
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught  # Python's own would print the error unmasked


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    structlog.get_logger(__name__).critical("ended by an error", exc_info=(kind, error, trace))


def _text_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
