"""Spans around batch runs, stages and vendor calls for OpenTelemetry; while they are off nothing is loaded or timed."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, Self

from socialanalyzer_dagster.domain.log_fields import log_fields
from socialanalyzer_dagster.domain.operations import Operation
from socialanalyzer_dagster.settings import Settings

_LOG = logging.getLogger(__name__)
_PREFIX = "socialanalyzer."
COST = "socialanalyzer.cost_micro_usd"
_TAKEN = ("run_id", "batch", "platform", "stage", "attempt_key")
"""What spans take from the fields of logs: no lead, nothing of a request or an answer."""
Value = str | int | bool


class Note(Protocol):
    """An open span."""

    def set_attribute(self, key: str, value: Value) -> object: ...


class SpanRecorder(Protocol):
    """Records spans."""

    def span(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Note]: ...


class _Off:
    """No span."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def set_attribute(self, _key: str, _value: Value) -> None:
        """Nothing is kept."""


class _Switch:
    """What this process records with, and what it was configured for."""

    recorder: SpanRecorder | None = None
    asked_for: tuple[str, str] | None = None


_OFF = _Off()


def configure_traces(settings: Settings) -> None:
    """Record spans in this process if the settings say so; asking for the same again changes nothing.

    Where the extra `traces` is not installed, a warning says so and the work goes on without.
    """
    asked_for = (settings.otel_exporter_otlp_endpoint, settings.otel_service_name)
    if settings.otel_traces_exporter == "none":
        record_with(None)
    elif _Switch.asked_for != asked_for:
        record_with(_recorder(settings))
        _Switch.asked_for = asked_for


def record_with(recorder: SpanRecorder | None) -> None:
    """Record spans with this from now on; None = record none."""
    _Switch.recorder, _Switch.asked_for = recorder, None


def _recorder(settings: Settings) -> SpanRecorder | None:
    try:
        from socialanalyzer_dagster.vendors.trace_export import Recorder, collector
    except ImportError:
        _LOG.warning("no traces: `pip install 'socialanalyzer-dagster[traces]'` installs what they need")
        return None
    headers = settings.otel_exporter_otlp_headers
    processor = collector(settings.otel_exporter_otlp_endpoint, headers.get_secret_value() if headers else None)
    return Recorder(processor, settings.otel_service_name)


def span(name: str, **attributes: Value) -> AbstractContextManager[Note]:
    """A span around the block, with run, batch, platform and stage of this moment."""
    recorder = _Switch.recorder
    if recorder is None:
        return _OFF
    known = {field: value for field, value in log_fields().items() if field in _TAKEN}
    return recorder.span(name, {_PREFIX + key: value for key, value in {**known, **attributes}.items()})


def call_span(operation: Operation) -> AbstractContextManager[Note]:
    """A span around one sending to a vendor; COST is what its answer cost."""
    return span(f"call {operation.key}", vendor=operation.vendor, operation=operation.key)
