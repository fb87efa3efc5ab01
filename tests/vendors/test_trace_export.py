"""Spans reach a collector over HTTP as OpenTelemetry's protocol says; one that is away stops nobody."""

import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from socialanalyzer_dagster.vendors.trace_export import Recorder, Told, collector


class Collector(ThreadingHTTPServer):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[tuple[str, str | None, ExportTraceServiceRequest]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportTraceServiceRequest.FromString(body)
        self.server.sent.append((self.path, self.headers["api-key"], request))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def local() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_spans_arrive_with_name_service_attributes_and_the_key_that_was_given(local: Collector) -> None:
    processor = collector(f"http://127.0.0.1:{local.server_port}/", "api-key=hidden")
    recorder = Recorder(processor, "leads")
    with recorder.span("outer", {"a": 1}), recorder.span("inner", {"b": True}):
        pass
    processor.shutdown()
    ((path, key, request),) = local.sent
    assert (path, key) == ("/v1/traces", "hidden")
    (of_resource,) = request.resource_spans
    assert ("service.name", "leads") in [
        (each.key, each.value.string_value) for each in of_resource.resource.attributes
    ]
    inner, outer = of_resource.scope_spans[0].spans
    assert (inner.name, outer.name, inner.parent_span_id) == ("inner", "outer", outer.span_id)
    assert inner.attributes[0].value.bool_value
    assert outer.attributes[0].value.int_value == 1


class Moody(SpanExporter):
    """Takes spans or not, as it is told."""

    def __init__(self, *takes: bool) -> None:
        self.takes = list(takes)

    def export(self, _spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self.takes.pop(0) else SpanExportResult.FAILURE


def test_a_collector_that_takes_nothing_is_told_of_once_until_it_takes_something(caplog) -> None:
    recorder = Recorder(SimpleSpanProcessor(Told(Moody(False, False, True, False))), "leads")
    told = []
    for _ in range(4):
        with recorder.span("work", {}):
            pass
        told.append(len(caplog.records))
    assert told == [1, 1, 1, 2]
    assert caplog.records[0].getMessage() == "the trace collector does not take spans; they are lost until it does"
