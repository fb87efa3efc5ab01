"""The log of commands: warnings and errors on stderr, in the level and form that the environment asks for (spec 20)."""

import json
import logging
import sys
from datetime import UTC, datetime

from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.settings import Settings

_PACKAGE = __name__.partition(".")[0]


def configure_logs(settings: Settings) -> None:
    """Send this process's records to stderr; a second call replaces the first."""
    logger = logging.getLogger(_PACKAGE)
    for handler in [each for each in logger.handlers if isinstance(each, StderrLog)]:
        logger.removeHandler(handler)
    logger.addHandler(StderrLog(as_json=settings.log_format == "json"))
    logger.setLevel(settings.log_level)


class StderrLog(logging.Handler):
    """One printable line per record, whatever is in it; an exception is named by its type alone (I-66, I-68)."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        """Write to the stderr of this moment."""
        sys.stderr.write(f"{self._json(record) if self._as_json else self._text(record)}\n")

    def _json(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        exception = _exception(record)
        return json.dumps(line if exception is None else {**line, "exception": exception}, ensure_ascii=False)

    def _text(self, record: logging.LogRecord) -> str:
        exception = _exception(record)
        line = f"{record.levelname} {record.name}: {printable(record.getMessage())}"
        return line if exception is None else f"{line} ({exception})"


def _exception(record: logging.LogRecord) -> str | None:
    return record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
