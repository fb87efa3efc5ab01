"""When a search that runs by itself is due, on clocks that leap too, and why it does not run then."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.recurrence import (
    BadCron,
    RunFacts,
    checked_cron,
    is_too_late,
    newest_due,
    next_due,
    why_skipped,
)

POLICY = shipped_policy().recurring
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" 0  9 * * MON ", "0 9 * * mon"),
        ("30 6 * * mon-fri", "30 6 * * mon-fri"),
        ("0 9 L * *", "0 9 l * *"),
        ("0 9 1 * 1", "0 9 1 * 1"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_a_schedule_is_kept_in_its_plain_spelling(text: str, plain: str) -> None:
    assert checked_cron(text, POLICY, NOW) == plain


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "five fields"),
        ("0 9 * *", "five fields"),
        ("0 9 * * 1 30", "five fields"),
        ("@daily", "five fields"),
        ("0 9 " + "1," * 60 + "1 * *", "five fields"),
        ("r r * * *", "'r' means nothing"),
        ("h 9 * * *", "'h' means nothing"),
        ("0 9 * * monday", "'monday' means nothing"),
        ("60 9 * * *", "out of range"),
        ("0 9 -1 * *", "is no schedule"),
        ("0 0 31 2 *", "never comes"),
        ("* * * * *", "0 h 01 min after it ran: 24 hours must lie between"),
        ("0 9,17 * * *", "8 h 00 min after it ran"),
        ("0 0,23 * * mon", "23 h 00 min after it ran"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_what_would_be_right(text: str, why: str) -> None:
    with pytest.raises(BadCron, match=why):
        checked_cron(text, POLICY, NOW)


def test_a_policy_may_allow_or_forbid_nearer_times() -> None:
    assert checked_cron("0 9,17 * * *", POLICY.model_copy(update={"shortest_hours": 8}), NOW)
    with pytest.raises(BadCron, match="72 hours must lie"):
        checked_cron("0 9 * * mon,wed", POLICY.model_copy(update={"shortest_hours": 72}), NOW)


def test_a_missed_stretch_is_due_once_and_what_was_acted_on_never_again() -> None:
    longer_ago = NOW - timedelta(days=10)
    due = newest_due("0 9 * * *", BERLIN, after=longer_ago, now=NOW)
    assert due == datetime(2026, 11, 20, 8, tzinfo=UTC), "the last of ten"
    assert newest_due("0 9 * * *", BERLIN, after=due, now=NOW) is None
    assert newest_due("0 9 * * *", BERLIN, after=due, now=due) is None
    assert newest_due("0 9 * * *", BERLIN, after=due - timedelta(seconds=1), now=due) == due
    assert newest_due("0 9 * * mon", BERLIN, after=NOW - timedelta(days=2), now=NOW) is None
    assert next_due("0 9 * * mon", BERLIN, NOW) == datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "instants"),
    [
        (datetime(2026, 3, 28, 20, tzinfo=UTC), ["2026-03-29T01:30", "2026-03-30T00:30"]),  # 02:30 is leapt over
        (datetime(2026, 10, 24, 20, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-26T01:30"]),  # 02:30 comes twice
    ],
)
def test_a_clock_that_is_put_forward_or_back_neither_drops_nor_doubles_a_run(
    day: datetime, instants: list[str]
) -> None:
    found, acted_on = [], day
    for minutes in range(0, 36 * 60, 15):
        now = day + timedelta(minutes=minutes)
        due = newest_due("30 2 * * *", BERLIN, after=acted_on, now=now)
        assert due is None or now - due < timedelta(minutes=15)
        if due is not None:
            assert next_due("30 2 * * *", BERLIN, due - timedelta(seconds=1)) == due
            found.append(f"{due:%Y-%m-%dT%H:%M}")
            acted_on = due
    assert found == instants


def facts(**changes: object) -> RunFacts:
    usual = {
        "barred": None,
        "away": (),
        "estimate_micros": 5_000_000,
        "cap_name": "the day cap",
        "left_micros": 5_000_000,
    }
    return RunFacts(**(usual | changes))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (facts(), None),
        (facts(barred="it is used up", away=("apify",)), "it is used up"),
        (facts(away=("apify", "openai")), "not now: apify and openai cannot be called"),
        (facts(left_micros=-1), "the day cap leaves $0.00, and it will probably cost $5.00"),
    ],
)
def test_a_search_that_is_due_does_not_run_while_something_stands_against_it(found: RunFacts, why: str | None) -> None:
    assert why_skipped(found) == why


def test_what_was_due_long_ago_is_not_made_up_for() -> None:
    assert not is_too_late(NOW - timedelta(hours=24), NOW, POLICY)
    assert is_too_late(NOW - timedelta(hours=24, minutes=1), NOW, POLICY)
