"""Notes what every call of this process was like, and writes it down every few seconds (spec 13.3)."""

import logging
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.domain.ports import Clock
from socialanalyzer_dagster.pipeline.beats import Beat
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.service_health import AddFigures

_LOG = logging.getLogger(__name__)
_WRITE_SECONDS = 5.0


class CallHealth:
    """Figures by vendor and minute; a killed process loses those of its last seconds."""

    def __init__(self, writer: GroupWriter, clock: Clock) -> None:
        self._writer = writer
        self.clock = clock
        self._figures: dict[tuple[str, datetime], CallFigures] = {}
        self._beat = Beat(_WRITE_SECONDS, self._write)

    def note(self, vendor: str, milliseconds: int, error: VendorError | None = None) -> None:
        """One call that was sent, and how it ended."""
        self._beat.start()
        now = self.clock.now()
        key = vendor, now.replace(second=0, microsecond=0)
        figures = self._figures.get(key)
        if figures is None:
            figures = self._figures[key] = CallFigures()
        figures.note(milliseconds, error, now)

    async def close(self) -> None:
        """Write what is left."""
        await self._beat.close()
        await self._write(True)

    async def _write(self, _is_due: bool) -> None:
        figures, self._figures = self._figures, {}
        writes = [
            self._writer.submit(AddFigures(service=vendor, minute=minute, figures=each))
            for (vendor, minute), each in figures.items()
        ]
        for write in writes:
            try:
                await write
            except SQLAlchemyError as error:
                _LOG.warning("figures of calls were lost: %s", type(error).__name__)
