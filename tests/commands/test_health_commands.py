"""`health`, `health reset`, `ledger reconcile` and `ledger settle` as people type them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dagster._daemon.types import DaemonHeartbeat
from sqlalchemy import select

from socialanalyzer_dagster.checks.provider_checks import providers_healthy
from socialanalyzer_dagster.commands.instance import daemon_finding, dagster_instance
from socialanalyzer_dagster.domain.breaker import BreakerPhase, CallResult, Rules
from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.pipeline.doctor import Health
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.breakers import change_breaker, load_breakers
from socialanalyzer_dagster.storage.database import Database, shared_seconds
from socialanalyzer_dagster.storage.models_control import AuditEntryRow
from socialanalyzer_dagster.storage.service_health import AddFigures, figures_since
from tests.commands.conftest import Terminal

RULES = Rules(window=10, failure_share=0.5, failures_in_a_row=3, reset_seconds=300, probe_seconds=120)
_AUDITED = select(AuditEntryRow.actor, AuditEntryRow.subject, AuditEntryRow.detail).where(
    AuditEntryRow.action == "health.reset"
)
QUOTA = VendorError("openai", ErrorClass.PERMANENT_SERVICE, "insufficient_quota", status=429)


@pytest.fixture
def books(terminal: Terminal) -> Iterator[Database]:
    """The database of the terminal's home, where OpenAI refused its service after 19 good calls."""
    database = Database(f"sqlite:///{terminal.home / 'socialanalyzer.db'}")
    now, figures = datetime.now(UTC), CallFigures()
    for milliseconds in range(100, 2000, 100):
        figures.note(milliseconds, None, now)
    figures.note(50, QUOTA, now)
    minute = now.replace(second=0, microsecond=0)
    refused = CallResult(trip=0, code=QUOTA.code, permanent=True)
    with database.write() as connection:
        AddFigures.apply(connection, [AddFigures(service="openai", minute=minute, figures=figures)])
        seconds = shared_seconds(connection)
        change_breaker(connection, "openai", lambda state, at: state.after([refused], RULES, at), seconds)
    yield database
    database.dispose()


def test_health_shows_breaker_rates_durations_and_the_last_error(terminal: Terminal, books: Database) -> None:
    shown = terminal.json("health")
    assert not shown["healthy"]
    by_vendor = {each["vendor"]: each for each in shown["vendors"]}
    openai = by_vendor["openai"]
    assert (openai["health"], openai["breaker"]["state"], openai["breaker"]["needs_person"]) == ("red", "open", True)
    lately = openai["last_15_minutes"]
    assert (lately["calls"], lately["success_rate"], lately["errors"]) == (20, 0.95, {"permanent_service": 1})
    assert lately["last_error"] == "openai: insufficient_quota (HTTP 429)"
    assert lately["p50_milliseconds"] == pytest.approx(950, rel=0.2)
    assert lately["p95_milliseconds"] == pytest.approx(1850, rel=0.2)
    assert by_vendor["apollo"]["health"] == "not_measured"
    assert by_vendor["apollo"]["last_24_hours"]["success_rate"] is None
    text = terminal.run("health")
    assert text.code == 0
    assert "not measured" in text.out
    assert "open (needs a person)" in text.out


def test_health_looks_at_database_store_and_daemon(terminal: Terminal) -> None:
    shown = terminal.json("health")
    parts = {each["subject"]: each for each in shown["installation"]}
    lights = {subject: each["health"] for subject, each in parts.items()}
    assert lights == {"database": "ok", "media store": "ok", "dagster daemon": "off"}
    assert shown["healthy"]
    assert "has never run here" in parts["dagster daemon"]["detail"]
    (terminal.home / "media").rename(terminal.home / "elsewhere")
    (terminal.home / "media").write_text("no folder")
    broken = terminal.json("health")
    assert ([each["health"] for each in broken["installation"]], broken["healthy"]) == (["ok", "problem", "off"], False)
    (terminal.home / "socialanalyzer.db").write_bytes(b"no database at all" * 100)
    gone = terminal.json("health")
    assert (gone["healthy"], gone["vendors"]) == (False, [])
    assert [(each["subject"], each["health"]) for each in gone["installation"]] == [("database", "problem")]


@pytest.mark.parametrize(("age", "health"), [(0, "ok"), (3600, "problem")])
def test_a_daemon_that_fell_silent_makes_the_answer_unhealthy(terminal: Terminal, age: int, health: str) -> None:
    with dagster_instance(Settings.from_environment()) as instance:
        for name in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(datetime.now(UTC).timestamp() - age, name, "one"))
    shown = terminal.json("health")
    assert (shown["installation"][2]["health"], shown["healthy"]) == (health, health == "ok")


def test_a_daemon_that_never_ran_is_a_problem_where_one_is_needed() -> None:
    assert daemon_finding(None, is_needed=True).health is Health.PROBLEM


def test_a_person_resets_a_vendor_and_it_is_audited(terminal: Terminal, books: Database) -> None:
    assert terminal.run("health", "reset", "openai", "--by", "Mara").code == 0
    with books.read() as connection:
        assert load_breakers(connection)["openai"].state.phase is BreakerPhase.CLOSED
        entry = connection.execute(_AUDITED).one()
    assert tuple(entry) == ("Mara", "openai", {"before": "open"})
    unknown = terminal.run("health", "reset", "nobody", "--by", "Mara")
    assert (unknown.code, "there is no vendor 'nobody'" in unknown.err) == (2, True)
    assert terminal.run("health", "reset", "openai").code == 2


def test_the_check_in_the_user_interface_shows_the_same_table(terminal: Terminal, books: Database) -> None:
    found = providers_healthy(books, "any batch")
    assert (found.passed, found.is_error) == (False, False)
    assert "| openai | red | open (needs a person) |" in str(found.figures["vendors"].value)


def test_figures_of_several_processes_add_up_and_old_ones_go(database: Database) -> None:
    minute = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    old = datetime(2026, 11, 19, 9, 0, tzinfo=UTC)
    one = CallFigures()
    one.note(20, None, minute)
    writes = [AddFigures(service="apify", minute=at, figures=one) for at in (old, minute, minute)]
    for write in writes:
        with database.write() as connection:
            AddFigures.apply(connection, [write])
    with database.read() as connection:
        assert figures_since(connection, old)["apify"].calls == 2


def test_reconcile_agrees_after_a_batch_and_settle_says_what_it_needs(shared: Terminal) -> None:
    key = shared.json(
        "batch", "create", "--platform", "facebook", "--filters", '{"keywords": ["hiking"], "max_results": 3}'
    )["key"]
    assert shared.run("batch", "run", key, "--to", "discovered").code == 0
    found = shared.json("ledger", "reconcile")
    assert found["is_explained"]
    assert {each["explanation"] for each in found["vendors"]} == {"agrees to the micro-dollar"}
    of_batch = shared.json("ledger", "reconcile", key)
    assert {each["reported_micros"] for each in of_batch["vendors"]} == {None}
    assert shared.run("ledger", "settle", "0123456789", "--by", "Mara").code == 2
    assert "no sending begins with" in shared.run("ledger", "settle", "0123456789", "--by", "M", "--not-charged").err
