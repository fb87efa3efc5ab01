"""Errors of the database without the values of the statement: they may be a creator's (I-61, I-68)."""

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

_DATA_EXCEPTIONS = "22"
"""SQLSTATE class whose first line already quotes the value, as in: invalid input syntax for type integer."""


def hide_values(engine: Engine) -> None:
    """Cut what PostgreSQL says about values (its DETAIL and CONTEXT) out of every error this engine raises.

    Statements' parameters are left out by the engine's own `hide_parameters`; SQLite's messages hold no values.
    """
    event.listen(engine, "handle_error", _without_values)


def _without_values(context: ExceptionContext) -> None:
    original, shown = context.original_exception, context.sqlalchemy_exception
    code = getattr(original, "pgcode", None)
    if code is None or shown is None:
        return
    first_line = str(original).partition("\n")[0]
    text = f"SQLSTATE {code}" if code.startswith(_DATA_EXCEPTIONS) else first_line
    original.args = (text,)
    shown.args = (f"({type(original).__name__}) {text}", *shown.args[1:])
