"""The log of this process on stderr, in the level and form that the environment asks for (spec 13.3, 20)."""

import json
import logging
import sys
from datetime import UTC, datetime

from socialanalyzer_dagster.domain.log_fields import FIELDS, log_fields
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.settings import Settings

PACKAGE = __name__.partition(".")[0]


def configure_logs(settings: Settings) -> None:
    """Send this process's records to stderr; a second call replaces the first.

    LOG_LEVEL is the level of stderr alone: Dagster's event log and the table of a batch get warnings whatever it says.
    At a terminal, where progress bars tell how far a batch is, warnings are the least unless LOG_LEVEL is given.
    """
    logger = logging.getLogger(PACKAGE)
    for handler in [each for each in logger.handlers if isinstance(each, StderrLog)]:
        logger.removeHandler(handler)
    added = StderrLog(as_json=settings.log_format == "json")
    is_watched = sys.stderr.isatty() and "LOG_LEVEL" not in settings.variables_set
    added.setLevel("WARNING" if is_watched else settings.log_level)
    logger.addHandler(added)
    logger.setLevel(min(added.level, logging.WARNING))


class StderrLog(logging.Handler):
    """One printable line per record, whatever is in it; an exception is named by its type alone (I-66, I-68).

    As JSON every line has every field, null where the record is of no batch, stage or call.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        """Write to the stderr of this moment."""
        sys.stderr.write(f"{self._json(record) if self._as_json else self._text(record)}\n")

    def _json(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": time_of(record).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": message_of(record),
            **dict.fromkeys(FIELDS),
            **log_fields(),
        }
        exception = exception_of(record)
        return json.dumps(line if exception is None else {**line, "exception": exception}, ensure_ascii=False)

    def _text(self, record: logging.LogRecord) -> str:
        exception = exception_of(record)
        line = f"{record.levelname} {record.name}: {message_of(record)}"
        where = "".join(f" {name}={value}" for name, value in log_fields().items())
        return f"{line}{where}" if exception is None else f"{line} ({exception}){where}"


def time_of(record: logging.LogRecord) -> datetime:
    """When it was said."""
    return datetime.fromtimestamp(record.created, UTC)


def message_of(record: logging.LogRecord) -> str:
    """Its own words on one printable line, without job, run and step that Dagster writes before them in its runs."""
    of_dagster = getattr(record, "dagster_meta", None) or {}
    return printable(of_dagster.get("orig_message") or record.getMessage())


def exception_of(record: logging.LogRecord) -> str | None:
    """The type of its exception, never the text, which may hold a creator's data or a key."""
    return record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
