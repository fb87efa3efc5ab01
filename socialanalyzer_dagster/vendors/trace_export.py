"""Spans for an OpenTelemetry collector; loaded only when traces are asked for, because it needs the extra `traces`."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.re import parse_env_headers

from socialanalyzer_dagster.domain.log_fields import log_fields

_PATH = "/v1/traces"
_EXPORT_SECONDS = 5
_INSTRUMENT = "socialanalyzer_dagster"


def collector(endpoint: str, headers: str | None) -> SpanProcessor:
    """Sends spans to the collector at a base address from a thread of its own; what it does not take is lost."""
    exporter = OTLPSpanExporter(
        endpoint=endpoint.rstrip("/") + _PATH,
        headers=parse_env_headers(headers or "", liberal=True),
        timeout=_EXPORT_SECONDS,
    )
    return BatchSpanProcessor(exporter)


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
