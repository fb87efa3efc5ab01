"""The sandbox's clock: a moment in its state that moves only when somebody moves it."""

from datetime import UTC, datetime, timedelta

from socialanalyzer_dagster.sandbox.store import Store

_KIND, _KEY = "sandbox.meta", "clock"


class SandboxClock:
    """The one source of time of a sandbox; stands still until ``set`` or ``advance`` and survives restarts."""

    def __init__(self, store: Store, start: datetime) -> None:
        self._store = store
        stored = store.get(_KIND, _KEY)
        if stored is None:
            store.put(_KIND, _KEY, start.isoformat())
            store.commit()
        self._now = start if stored is None else datetime.fromisoformat(stored)

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        return self._now

    def timestamp(self) -> int:
        """The current moment in whole seconds since 1970."""
        return int(self._now.timestamp())

    def iso(self) -> str:
        """The current moment like ``2026-11-16T12:00:00.000Z``."""
        return iso_millis(self._now)

    def set(self, moment: datetime) -> None:
        """Move to an aware moment."""
        if moment.tzinfo is None:
            raise ValueError("the sandbox clock takes aware moments only")
        self._now = moment.astimezone(UTC)
        self._store.put(_KIND, _KEY, self._now.isoformat())

    def advance(self, seconds: float) -> None:
        """Move forward (or back, when negative) by some seconds."""
        self.set(self._now + timedelta(seconds=seconds))


def iso_millis(moment: datetime) -> str:
    """An aware moment in the form most vendors write: milliseconds and a ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
