"""The warnings and errors of an open batch, gathered and written to its table every few seconds (spec 13.3)."""

import logging
from collections import deque
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.log_fields import log_fields
from socialanalyzer_dagster.pipeline.beats import Beat
from socialanalyzer_dagster.pipeline.logs import PACKAGE, exception_of, message_of, time_of
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.log_entries import KEPT_ENTRIES, AddLogEntries, LogEntry

_WRITE_SECONDS = 2.0
_MESSAGE_CHARS = 500


class BatchLog(logging.Handler):
    """`async with BatchLog(writer, batch_id): ...` keeps what the block logs; a killed process loses its last seconds.

    Nothing waits for it and nothing fails with it: what cannot be written is lost, and between two writes only as much
    is remembered as the table keeps.
    """

    def __init__(self, writer: GroupWriter, batch_id: str) -> None:
        super().__init__(logging.WARNING)
        self._writer = writer
        self._batch_id = batch_id
        self._entries: deque[LogEntry] = deque(maxlen=KEPT_ENTRIES)
        self._beat = Beat(_WRITE_SECONDS, self._write)

    async def __aenter__(self) -> Self:
        logging.getLogger(PACKAGE).addHandler(self)
        self._beat.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger(PACKAGE).removeHandler(self)
        await self._beat.close()
        await self._write(True)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a record of this batch, from whatever thread."""
        fields = log_fields()
        if fields.get("batch_id") != self._batch_id:
            return
        entry = LogEntry(
            at=time_of(record),
            level=record.levelname,
            logger=record.name,
            message=message_of(record)[:_MESSAGE_CHARS],
            exception=exception_of(record),
            fields=fields,
        )
        self._entries.append(entry)

    async def _write(self, _is_due: bool) -> None:
        entries = tuple(self._entries)
        if not entries:
            return
        for _ in entries:
            self._entries.popleft()
        try:
            await self._writer.submit(AddLogEntries(batch_id=self._batch_id, entries=entries))
        except SQLAlchemyError as error:
            logging.getLogger(__name__).warning("%d log entries were lost: %s", len(entries), type(error).__name__)
