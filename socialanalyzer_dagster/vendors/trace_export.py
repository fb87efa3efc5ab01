"""Spans for an OpenTelemetry collector; loaded only when traces are asked for, because it needs the extra `traces`."""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.re import parse_env_headers

from socialanalyzer_dagster.domain.log_fields import log_fields

_PATH = "/v1/traces"
_EXPORT_SECONDS = 2
_INSTRUMENT = "socialanalyzer_dagster"
_LOG = logging.getLogger(__name__)


def collector(endpoint: str, headers: str | None) -> SpanProcessor:
    """Sends spans to the collector at a base address from a thread of its own; what it does not take is lost."""
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())  # else its own words go to stderr as they are
    exporter = OTLPSpanExporter(
        endpoint=endpoint.rstrip("/") + _PATH,
        headers=parse_env_headers(headers or "", liberal=True),
        timeout=_EXPORT_SECONDS,
    )
    return BatchSpanProcessor(Told(exporter))


class Told(SpanExporter):
    """Exports, and says in the log when the collector begins to take nothing; until it takes something, only once."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the exporter does."""
        result = self._exporter.export(spans)
        was_lost, self._is_lost = self._is_lost, result is not SpanExportResult.SUCCESS
        if self._is_lost and not was_lost:
            _LOG.warning("the trace collector does not take spans; they are lost until it does")
        return result

    def shutdown(self) -> None:
        """As the exporter does."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the exporter does."""
        return self._exporter.force_flush(timeout_millis)


class RunTraces(RandomIdGenerator):
    """Everything of one Dagster run is one trace, which has the run's id."""

    def generate_trace_id(self) -> int:
        """The id of the run that logs now, else a random one."""
        try:
            return uuid.UUID(str(log_fields().get("run_id"))).int or super().generate_trace_id()
        except ValueError:
            return super().generate_trace_id()


class Recorder:
    """Records spans with the attributes given and, of an exception, its type alone (I-66, I-68)."""

    def __init__(self, processor: SpanProcessor, service_name: str) -> None:
        provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service_name}), id_generator=RunTraces())
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer(_INSTRUMENT)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int | bool]) -> Iterator[Span]:
        """A span around the block, below the one that is open here."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as opened:
            try:
                yield opened
            except BaseException as error:
                opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
