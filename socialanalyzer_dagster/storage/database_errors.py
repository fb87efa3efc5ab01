"""What errors and logs of the database say, without values: they may be a creator's (I-61, I-68)."""

import logging

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

_ENGINE_LOGGER = "sqlalchemy.engine.Engine"
_DATA_EXCEPTIONS = "22"
"""SQLSTATE class whose first line already quotes the value, as in: invalid input syntax for type integer."""


def hide_values(engine: Engine) -> None:
    """Cut what PostgreSQL says about values (its DETAIL and CONTEXT) out of every error this engine raises.

    Statements' parameters are left out by the engine's own `hide_parameters`, but not the rows that its logger tells
    at DEBUG; SQLite's messages hold no values.
    """
    event.listen(engine, "handle_error", _without_values)
    logging.getLogger(_ENGINE_LOGGER).addFilter(_tells_no_row)


def _tells_no_row(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


def _without_values(context: ExceptionContext) -> None:
    original, shown = context.original_exception, context.sqlalchemy_exception
    code = getattr(original, "pgcode", None)
    if code is None or shown is None:
        return
    first_line = str(original).partition("\n")[0]
    text = f"SQLSTATE {code}" if code.startswith(_DATA_EXCEPTIONS) else first_line
    original.args = (text,)
    shown.args = (f"({type(original).__name__}) {text}", *shown.args[1:])
