"""What people are told about, one type per event, with its words; how they reach a channel is `notifications` (16)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.sentences import begun, counted
from socialanalyzer_dagster.domain.types import JsonValue


class Kind(StrEnum):
    """The kinds of events; the policy names the channels of each."""

    BATCH_COMPLETED = "batch_completed"
    BATCH_COMPLETED_EMPTY = "batch_completed_empty"
    BATCH_FAILED = "batch_failed"
    BATCH_STOPPED = "batch_stopped"
    BATCH_STUCK = "batch_stuck"
    RUN_FAILED = "run_failed"
    STALE_SEARCH = "stale_search"
    DEVIATION = "deviation"
    NICHE_CLUSTER = "niche_cluster"
    RULE_TOLD = "rule_told"
    TARGET_MISSED = "target_missed"
    PLAN_STOPPED = "plan_stopped"
    APPROVAL_NEEDED = "approval_needed"
    APPROVAL_REMINDER = "approval_reminder"
    APPROVAL_EXPIRED = "approval_expired"
    CONFIRMATION_NEEDED = "confirmation_needed"
    ESCALATION = "escalation"
    CAP_WARNED = "cap_warned"
    CAP_REACHED = "cap_reached"
    PRICE_CHANGED = "price_changed"
    UNKNOWN_ATTEMPTS = "unknown_attempts"
    BREAKER_OPENED = "breaker_opened"
    BREAKER_CLOSED = "breaker_closed"
    SERVICE_REFUSED = "service_refused"
    DEAD_SYNC_ROWS = "dead_sync_rows"
    NOTICES_OVERDUE = "notices_overdue"
    ERASE_REQUESTED = "erase_requested"
    DAILY_DIGEST = "daily_digest"
    WEEKLY_REPORT = "weekly_report"


class Event(BaseModel, ABC):
    """One thing that happened. Its fields are stored, so they name no creator: counts, codes, keys and uids alone.

    `batch` in the words is how the event's batch is called, e.g. 'batch 2026-11-20.instagram.travel'.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    KIND: ClassVar[Kind]
    batch_id: str | None = None

    @property
    def kind(self) -> Kind:
        """What kind of event it is."""
        return self.KIND

    @property
    @abstractmethod
    def occasion(self) -> str:
        """What makes it this event and no other of its kind: people are told once about one occasion."""

    @abstractmethod
    def title(self, batch: str) -> str:
        """A heading without a full stop."""

    @abstractmethod
    def sentences(self, batch: str) -> tuple[str, ...]:
        """What happened, why, and what to do."""

    def facts(self) -> Mapping[str, JsonValue]:
        """What is stored, without the batch, which has its own column."""
        stored: Mapping[str, JsonValue] = self.model_dump(mode="json", exclude={"batch_id"})
        return stored

    @classmethod
    def of_facts(cls, facts: Mapping[str, JsonValue], batch_id: str | None) -> Self:
        """The event that was stored; raises ValidationError when the facts lack something."""
        return cls.model_validate({**facts, "batch_id": batch_id})


def at_text(at: datetime) -> str:
    """'20 November 2026, 13:00 UTC'."""
    shown = at.astimezone(UTC)
    return f"{shown.day} {shown:%B %Y, %H:%M} UTC"


class BatchEnded(Event):
    """A batch ended; `heading` and `told` are its summary."""

    status: Literal["completed", "completed_empty", "failed", "stopped"]
    attempt: int
    heading: str
    told: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """By how it ended."""
        return Kind(f"batch_{self.status}")

    @property
    def occasion(self) -> str:
        """One end of one attempt."""
        return f"{self.batch_id}:{self.attempt}"

    def title(self, batch: str) -> str:
        """The summary's title."""
        return self.heading

    def sentences(self, batch: str) -> tuple[str, ...]:
        """The summary."""
        return self.told


class _OfAttempt(Event):
    """A run did not end well; `what` says what became of its batch."""

    attempt: int
    what: str

    @property
    def occasion(self) -> str:
        """One attempt."""
        return f"{self.batch_id}:{self.attempt}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What became of the batch."""
        return f"{self.what.rstrip('.')}.", f"`socialanalyzer batch show {key_of(batch)}` says how it stands."


class BatchStuck(_OfAttempt):
    """A run gave no sign of life any more, or crashed."""

    KIND = Kind.BATCH_STUCK

    def title(self, batch: str) -> str:
        """Whose run."""
        return f"The run of {batch} crashed"


class RunFailed(_OfAttempt):
    """A run failed at a step, and its batch is paused."""

    KIND = Kind.RUN_FAILED

    def title(self, batch: str) -> str:
        """Whose run."""
        return f"The run of {batch} failed"


class SearchStale(Event):
    """A search finds hardly anything new; `search` is its preset's name, `why` says how little and what to change.

    `is_saved` is False for a search that no preset holds: there is nothing that the daily plan could leave out.
    """

    KIND = Kind.STALE_SEARCH
    search: str
    platform: str
    why: str
    suggestions: tuple[str, ...] = ()
    is_saved: bool = True

    @property
    def occasion(self) -> str:
        """One batch that showed it, whoever saw it first."""
        return self.batch_id or f"{self.platform}:{self.search}"

    def title(self, batch: str) -> str:
        """Which search."""
        return f"The search '{self.search}' on {self.platform} is used up"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """How few were new, and what to try."""
        tries = tuple(f"Try: {each.rstrip('.')}." for each in self.suggestions)
        left_out = ("The daily plan leaves it out until it is edited.",) if self.is_saved else ()
        return (self.why, *left_out, *tries)


class Deviation(Event):
    """Figures of a batch are worse than usual after a stage, a sentence each; `is_severe`: one is far from usual."""

    KIND = Kind.DEVIATION
    stage: str
    told: tuple[str, ...]
    is_severe: bool

    @property
    def occasion(self) -> str:
        """One stage of one batch, whoever compared it first."""
        return f"{self.batch_id}:{self.stage}"

    def title(self, batch: str) -> str:
        """Which batch."""
        return f"{begun(batch)} is {'far ' if self.is_severe else ''}worse than usual at {self.stage}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """By how much."""
        return self.told


class DeadSyncRows(Event):
    """Contacts that the CRM did not answer for are given up."""

    KIND = Kind.DEAD_SYNC_ROWS
    plan_id: str
    rows: int

    @property
    def occasion(self) -> str:
        """So many rows of one plan."""
        return f"{self.plan_id}:{self.rows}"

    def title(self, batch: str) -> str:
        """How many."""
        return f"{counted(self.rows, 'contact')} of {batch} could not be written to the CRM"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What to do."""
        key = key_of(batch)
        return (
            "The CRM gave no answer at any try, so they are tried no more by themselves.",
            f"Look at them with `socialanalyzer batch show {key}`; `socialanalyzer batch retry {key}` tries again.",
        )


class UnknownAttempts(Event):
    """Answers of a vendor were lost; told once per batch and vendor."""

    KIND = Kind.UNKNOWN_ATTEMPTS
    vendor: str
    calls: int
    reserved_micros: int

    @property
    def occasion(self) -> str:
        """One vendor's lost answers in a batch."""
        return f"{self.batch_id}:{self.vendor}"

    def title(self, batch: str) -> str:
        """Where."""
        return f"Answers of {self.vendor} were lost ({batch})"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What stays held, and how it is cleared up."""
        held = f"the worst case of {counted(self.calls, 'call')}, {usd_text(self.reserved_micros)}, stays held"
        command = f"`socialanalyzer ledger reconcile {key_of(batch)}`"
        return (
            f"It is not known what was charged: {held}.",
            f"{command} asks the vendor and lists what a person must settle. Further ones of this batch are not told.",
        )


def key_of(batch: str) -> str:
    """The key in what a batch is called."""
    return batch.removeprefix("batch ")
