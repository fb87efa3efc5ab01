"""What people are told names nobody, fits its channel, and says what to do."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from socialanalyzer_dagster.domain.notification_alerts import (
    BreakerOpened,
    CapReached,
    CapWarned,
    EraseRequested,
    NoticesOverdue,
)
from socialanalyzer_dagster.domain.notification_events import BatchEnded, DeadSyncRows, Event, Kind
from socialanalyzer_dagster.domain.notification_questions import ConfirmationNeeded, Escalation
from socialanalyzer_dagster.domain.notification_reports import DailyDigest, Figures, TopLead
from socialanalyzer_dagster.domain.notification_rules import NicheCluster
from socialanalyzer_dagster.domain.notifications import EVENTS, Markup, Place, message
from socialanalyzer_dagster.domain.policy import shipped_policy

KEY = "2026-11-20.instagram.travel"
AT = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def ended(*told: str, heading: str = "Batch done") -> BatchEnded:
    return BatchEnded(batch_id="b", status="completed", attempt=1, heading=heading, told=told)


def text(event: Event, markup: Markup = Markup.PLAIN, **place: Any) -> str:
    return message(event, Place(markup=markup, batch_key=KEY, **place)).text


def test_every_kind_has_an_event_and_channels() -> None:
    assert set(EVENTS) == set(Kind)
    assert set(shipped_policy().notifications.channels) == set(Kind)


def test_an_event_is_what_it_was_after_it_was_stored() -> None:
    event = ConfirmationNeeded(batch_id="b", estimate_micros=12_000_000, cap_micros=20_000_000)
    assert ConfirmationNeeded.of_facts(event.facts(), "b") == event
    assert f"batch confirm {KEY} --micros 12000000" in text(event)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("mail ada.king+x@site.example now", "mail (address left out) now"),
        ("see @some.handle there", "see (handle left out) there"),
        ("call +44 20 7946 0958 or so", "call (number left out) or so"),
        ("12 of 40 leads for $1,234.50 on 2026-11-20", "12 of 40 leads for $1,234.50 on 2026-11-20"),
        ("line\nbreak\u202e and \x1b[31mred", "line break and [31mred"),
    ],
)
def test_nothing_that_could_reach_a_person_is_told(told: str, shown: str) -> None:
    assert text(ended(told)) == shown
    assert message(ended(heading=told), Place(markup=Markup.PLAIN)).title == shown


def test_long_texts_are_cut_and_no_entity_is_cut_in_two() -> None:
    assert len(text(ended("x" * 900))) == 500
    shown = message(ended(*["&" * 480] * 9, heading="<" * 200), Place(markup=Markup.SLACK, link="https://ui.example/p"))
    assert len(shown.text) <= 3000
    assert shown.text.endswith("<https://ui.example/p|Open the batch in Dagster>")
    assert "&am\n" not in shown.text.replace("&amp;", "")
    assert len(shown.title) * 4 <= 600


def test_a_link_is_left_out_where_nobody_said_the_address() -> None:
    assert text(ended("Done.")) == "Done."
    assert text(ended("Done."), link="https://ui.example/p").endswith("https://ui.example/p")


def test_one_cap_is_one_occasion_until_somebody_changes_it() -> None:
    warned = CapWarned(scope="day:2026-11-20", used_micros=8_000_000, cap_micros=10_000_000)
    assert warned.occasion == warned.model_copy(update={"used_micros": 9_000_000}).occasion
    assert warned.occasion != warned.model_copy(update={"cap_micros": 12_000_000}).occasion
    assert text(warned).startswith("$8.00 of $10.00 are used or reserved.")


def test_a_cap_of_a_month_says_when_it_ends_and_one_of_a_batch_how_to_raise_it() -> None:
    month = CapReached(scope="month:2026-11", cap_micros=5_000_000, is_holding=True)
    assert month.title("") == "The month cap of 2026-11 of $5.00 is reached"
    assert "Queued batches are not launched" in text(month)
    assert f"batch set-cap {KEY} --max-spend USD" in text(CapReached(batch_id="b", scope="batch:b", cap_micros=1))


def test_an_escalation_says_why_what_it_costs_what_else_and_what_silence_means() -> None:
    event = Escalation(
        subject="s", what="a search for $120", why="it is above $100.", expected_micros=120_000_000,
        worst_case_micros=150_000_000, alternatives=("half as many leads",), without_answer="no.", how="Say `yes`.",
    )  # fmt: skip
    assert text(event).split("\n") == [
        "Why: it is above $100.",
        "Expected cost: $120.00.",
        "At worst: $150.00.",
        "Instead: half as many leads.",
        "Say `yes`.",
        "Without an answer: no.",
    ]


def test_a_digest_names_leads_by_uid_alone() -> None:
    figures = Figures(batches=2, found=120, new=80, scored=31, synced=20, spend_micros=12_400_000)
    lead = TopLead(uid="0190-uid", score=Decimal("0.91"), batch_key=KEY)
    digest = DailyDigest(since=AT, until=AT, total=figures, ended={"completed": 2}, waiting=(KEY,), top=(lead,))
    shown = text(digest)
    assert "2 batches found 120 profiles, 80 new, 31 scored, 20 synced, for $12.40 ($0.40 per scored lead)" in shown
    assert f"- 0190-uid, score 0.91, of {KEY}" in shown
    assert f"Waiting for a person: {KEY}." in shown


@pytest.mark.parametrize(
    ("event", "command"),
    [
        (BreakerOpened(service="openai", trip=1, code="http_503"), "goes on by itself"),
        (DeadSyncRows(batch_id="b", plan_id="p", rows=2), f"socialanalyzer batch retry {KEY}"),
        (NoticesOverdue(day=date(2026, 11, 20), notices=3), "socialanalyzer privacy notices"),
        (EraseRequested(request_id="r", leads=1), "socialanalyzer privacy requests"),
        (NicheCluster(batch_id="b", niche="surf", leads=6, share_percent=30, follow_up=None), "Nothing was launched"),
    ],
)
def test_whoever_is_told_knows_what_to_do(event: Event, command: str) -> None:
    assert command in text(event)
