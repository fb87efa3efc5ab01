"""Traces: one per run, of stages and vendor calls; nothing of a person is in them, and off means off (I-66, I-68)."""

import logging
import sys
from collections.abc import Iterator

import pytest
from batch_world import FETCH, FETCH_MICROS, SEARCH, World, book_policy
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import traces
from socialanalyzer_dagster.pipeline.traces import configure_traces, record_with, span
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.trace_export import Recorder

RUN = "6f1c6d5e-9d0b-4c3f-8a55-0d3c3f1a2b4c"
ON = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    record_with(Recorder(SimpleSpanProcessor(exporter), "test"))
    yield exporter
    record_with(None)


@pytest.fixture
def books(sqlite_database, policy, clock, tmp_path) -> World:
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


def parents(spans: tuple[ReadableSpan, ...]) -> set[tuple[str | None, str]]:
    names = {each.context.span_id: each.name for each in spans}
    return {(names.get(each.parent.span_id) if each.parent else None, each.name) for each in spans}


async def test_a_run_is_one_trace_of_its_stages_and_calls_with_what_each_cost(books, exported) -> None:
    batch = books.create()
    await books.run(batch.key, Stage.DISCOVERED, Stage.SCREENED, run_id=RUN)
    spans = exported.get_finished_spans()
    assert {f"{each.context.trace_id:032x}" for each in spans} == {RUN.replace("-", "")}
    assert parents(spans) == {
        (None, "batch run"),
        ("batch run", "stage discovered"),
        ("batch run", "stage screened"),
        ("stage discovered", f"call {SEARCH}"),
        ("stage discovered", f"call {SEARCH}_page"),
        ("stage screened", f"call {FETCH}"),
    }
    calls = [dict(each.attributes) for each in spans if each.name == f"call {FETCH}"]
    assert len(calls) == books.vendor.asked.total() - books.vendor.asked["search"]
    assert len({call.pop("socialanalyzer.attempt_key") for call in calls}) == len(calls)
    told = {"run_id": RUN, "batch": batch.key, "platform": "testbook", "stage": "screened", "vendor": "insightiq"}
    told |= {"operation": FETCH, "cost_micro_usd": FETCH_MICROS}
    assert calls == [{f"socialanalyzer.{name}": value for name, value in told.items()}] * len(calls)


async def test_spans_name_no_lead_and_of_an_error_its_type_alone(books, exported) -> None:
    batch = books.create()

    async def broken() -> None:
        async with books.opened(batch.key):
            with logged_as(lead_uid="p1"), span("stage screened"):
                raise ValueError("p1@private.example")

    with pytest.raises(ValueError, match="p1@private"):
        await broken()
    failed, whole = exported.get_finished_spans()
    for each in (failed, whole):
        assert (each.status.status_code, each.status.description) == (StatusCode.ERROR, "ValueError")
        assert not each.events
        assert "p1" not in each.to_json()


def test_spans_outside_a_run_have_traces_of_their_own(exported) -> None:
    for run_id in (None, None, "no uuid"):
        with logged_as(run_id=run_id), span("work"):
            pass
    assert len({each.context.trace_id for each in exported.get_finished_spans()}) == 3


def test_off_is_what_nobody_asked_for_and_records_nothing(monkeypatch) -> None:
    monkeypatch.setattr(traces, "_recorder", lambda _settings: pytest.fail("nothing may be set up"))
    configure_traces(Settings.from_environment({}))
    with span("work") as note:
        note.set_attribute("x", 1)


def test_they_are_set_up_once_for_the_same_collector_and_switched_off_again(monkeypatch, exported) -> None:
    made: list[str] = []
    recorder = Recorder(SimpleSpanProcessor(exported), "test")
    monkeypatch.setattr(traces, "_recorder", lambda each: made.append(each.otel_service_name) or recorder)
    for name in ("one", "one", "two"):
        configure_traces(Settings.from_environment({**ON, "OTEL_SERVICE_NAME": name}))
    assert made == ["one", "two"]
    with span("seen"):
        configure_traces(Settings.from_environment({}))
        with span("unseen"):
            pass
    assert [each.name for each in exported.get_finished_spans()] == ["seen"]


def test_without_the_extra_a_warning_names_it_and_the_work_goes_on(monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "socialanalyzer_dagster.vendors.trace_export", None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            configure_traces(Settings.from_environment(ON))
    record_with(None)
    assert [each.getMessage() for each in caplog.records] == [
        "no traces: `pip install 'socialanalyzer-dagster[traces]'` installs what they need"
    ]
