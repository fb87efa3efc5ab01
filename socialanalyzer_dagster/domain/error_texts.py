"""What of an exception people may read: our own sentences, and of any other the type and the place (I-66, I-68)."""

import traceback
from pathlib import Path

_PACKAGE = __name__.partition(".")[0]
_SPEAKING = frozenset({_PACKAGE, "dagster"})
"""Packages whose exceptions are sentences for people; the text of any other may hold a creator's data or a key."""


class HiddenError(Exception):
    """Stands for an exception whose text is not shown; its traceback tells where it came from."""


def readable(error: BaseException) -> BaseException:
    """The exception with its causes, without foreign texts: to raise in its place, `from` nothing.

    The traceback stays, because it holds lines of code and no values.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    shown = error if _speaks(error) else _hidden(error)
    shown.__cause__ = readable(cause) if cause is not None else None
    return shown


def place_of(error: BaseException) -> str:
    """Module and line of ours an exception came from: enough to find the fault, and no text of a creator."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _PACKAGE in frame.filename]
    return f"{Path(own[-1].filename).stem}:{own[-1].lineno}" if own else "unknown"


def _speaks(error: BaseException) -> bool:
    return not isinstance(error, Exception) or type(error).__module__.partition(".")[0] in _SPEAKING


def _hidden(error: BaseException) -> HiddenError:
    hidden = HiddenError(f"{type(error).__name__}; its text is not shown, because it may hold personal data")
    return hidden.with_traceback(error.__traceback__)
