"""How an event reads in a channel: its words without people's data, escaped for the channel's markup, cut (spec 16)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from socialanalyzer_dagster.domain.notification_alerts import (
    BreakerClosed,
    BreakerOpened,
    CapReached,
    CapWarned,
    EraseRequested,
    NoticesOverdue,
    ServiceRefused,
)
from socialanalyzer_dagster.domain.notification_days import PlanStopped, TargetMissed
from socialanalyzer_dagster.domain.notification_events import (
    BatchEnded,
    BatchStuck,
    DeadSyncRows,
    Deviation,
    Event,
    Kind,
    RunFailed,
    SearchStale,
    UnknownAttempts,
)
from socialanalyzer_dagster.domain.notification_prices import PriceChanged
from socialanalyzer_dagster.domain.notification_questions import (
    ApprovalExpired,
    ApprovalNeeded,
    ApprovalReminder,
    ConfirmationNeeded,
    Escalation,
)
from socialanalyzer_dagster.domain.notification_reports import DailyDigest, WeeklyReport
from socialanalyzer_dagster.domain.notification_rules import NicheCluster, RuleTold
from socialanalyzer_dagster.domain.outside_text import printable

SLACK, EMAIL, BADGE = "slack", "email", "badge"
"""Channels of this project's own; any other name is one of NOTIFY_URLS. What goes to the badge is only listed."""
OWN_CHANNELS = frozenset({SLACK, EMAIL, BADGE})

EVENTS: Mapping[Kind, type[Event]] = {
    **dict.fromkeys(
        (Kind.BATCH_COMPLETED, Kind.BATCH_COMPLETED_EMPTY, Kind.BATCH_FAILED, Kind.BATCH_STOPPED), BatchEnded
    ),
    **{
        event.KIND: event
        for event in (
            BatchStuck, RunFailed, SearchStale, Deviation, TargetMissed, PlanStopped, NicheCluster, RuleTold,
            ApprovalNeeded, ApprovalReminder, ApprovalExpired,
            ConfirmationNeeded, Escalation, CapWarned, CapReached, PriceChanged, UnknownAttempts,
            BreakerOpened, BreakerClosed, ServiceRefused, DeadSyncRows, NoticesOverdue, EraseRequested, DailyDigest,
            WeeklyReport,
        )
    },
}  # fmt: skip

_MOST_SENTENCE_CHARS = 500
_MOST_TITLE_CHARS = 140
_MOST_BODY_CHARS = 2900
"""Slack takes 150 characters in a header and 3,000 in a section."""
_NO_BATCH = "calls of no batch"
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")
_HANDLE = re.compile(r"(?<![\w@])@[\w.]+")
_PHONE = re.compile(r"(?<![\w.\-$,])(?!\d{4}-\d{2}-\d{2})\+?\(?\d[\d ().\-/]{7,}\d(?![\w\-])")
_FEWEST_PHONE_DIGITS = 9


class DeliveryFailed(Exception):
    """Nobody took the message, for certain; `code` says why, without the address."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the message was not delivered: {code}")
        self.code = code


class DeliveryUnknown(Exception):
    """Whether the message arrived is not known; `code` says why, without the address."""

    def __init__(self, code: str) -> None:
        super().__init__(f"it is not known whether the message was delivered: {code}")
        self.code = code


class NoSuchChannel(LookupError):
    """The channel has no address in the environment."""


class Markup(StrEnum):
    """What a channel makes of characters."""

    SLACK = "slack"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Message:
    """What is handed to a channel: a title on one line, and a text in the channel's markup."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message goes and what it may point to: `link` is the batch's page, None where nobody said the address."""

    markup: Markup
    batch_key: str | None = None
    link: str | None = None


def markup_of(channel: str) -> Markup:
    """Slack has its own markup; the library escapes plain text for every other service."""
    return Markup.SLACK if channel == SLACK else Markup.PLAIN


def message(event: Event, place: Place) -> Message:
    """The event in words for one channel, without addresses, telephone numbers and handles."""
    batch = _NO_BATCH if place.batch_key is None else f"batch {place.batch_key}"
    lines = [_cut(_without_people(each), _MOST_SENTENCE_CHARS) for each in event.sentences(batch)]
    escape = _escaped if place.markup is Markup.SLACK else str
    link = _link(place)
    text = _fitting("\n".join(lines), _MOST_BODY_CHARS - len(link), escape)
    title = _cut(_without_people(event.title(batch)), _MOST_TITLE_CHARS)
    longer = len(_escaped(title)) - len(title)
    return Message(title=_cut(title, _MOST_TITLE_CHARS - longer), text=text + link)


def _link(place: Place) -> str:
    if place.link is None:
        return ""
    if place.markup is Markup.SLACK:
        return f"\n<{_escaped(place.link)}|Open the batch in Dagster>"
    return f"\n\nOpen the batch in Dagster: {place.link}"


def _escaped(text: str) -> str:
    """Slack reads three characters as markup of links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fitting(text: str, most: int, escape: Callable[[str], str]) -> str:
    """As much of the text as fits when it is escaped; no entity is cut in two."""
    shown, kept = escape(text), len(text)
    while len(shown) > most:
        kept = kept * most // len(shown)
        shown = escape(_cut(text, kept))
    return shown


def _without_people(text: str) -> str:
    """On one line, and without what could reach or name a person."""
    line = " ".join(printable(text).split())
    line = _HANDLE.sub("(handle left out)", _ADDRESS.sub("(address left out)", line))
    return _PHONE.sub(_hidden_number, line)


def _hidden_number(found: re.Match[str]) -> str:
    is_phone = found[0].startswith("+") or sum(map(str.isdigit, found[0])) >= _FEWEST_PHONE_DIGITS
    return "(number left out)" if is_phone else found[0]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
