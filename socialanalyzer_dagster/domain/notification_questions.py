"""Events that ask a person for something: plans, estimates, choices that no rule may make (spec 15.2, 15.4, 16)."""

from collections.abc import Mapping
from datetime import datetime

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.notification_events import Event, Kind, at_text, key_of
from socialanalyzer_dagster.domain.sentences import begun


class _AboutQuestion(Event):
    """A question of a gate: `told` asks it with its figures, `no` is what happens when nobody answers."""

    plan_hash: str
    """Of what is asked about: a plan, or the figures before a stage."""
    told: str
    no: str
    is_about_plan: bool

    @property
    def occasion(self) -> str:
        """One subject of one batch."""
        return f"{self.batch_id}:{self.plan_hash}"


class ApprovalNeeded(_AboutQuestion):
    """A batch waits for a person; `plan_rows` counts the rows of its plan by action."""

    KIND = Kind.APPROVAL_NEEDED
    plan_rows: Mapping[str, int] = {}
    expires_at: datetime

    def title(self, batch: str) -> str:
        """What waits."""
        return f"{_asked(batch, self.is_about_plan)} waits for approval"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """The numbers, and how to decide."""
        return (
            f"{begun(self.told)}.",
            *((f"The CRM plan: {planned(self.plan_rows)}.",) if self.is_about_plan else ()),
            how_to_answer(key_of(batch), self.is_about_plan),
            f"Undecided at {at_text(self.expires_at)} it counts as a no: {self.no}.",
        )


class ApprovalReminder(ApprovalNeeded):
    """A question has waited for a while, and nobody was reminded before."""

    KIND = Kind.APPROVAL_REMINDER

    def title(self, batch: str) -> str:
        """What still waits."""
        return f"{_asked(batch, self.is_about_plan)} still waits for approval"


class ApprovalExpired(_AboutQuestion):
    """Nobody decided in time, which counts as no."""

    KIND = Kind.APPROVAL_EXPIRED

    def title(self, batch: str) -> str:
        """What expired."""
        return f"Nobody decided about {batch} in time"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What that means, and how to go on."""
        key = key_of(batch)
        return (
            f"It was asked: {self.told}.",
            f"No answer is a no: {self.no}.",
            f"`socialanalyzer batch show {key}` tells more, `socialanalyzer batch retry {key}` goes on with it.",
        )


class ConfirmationNeeded(Event):
    """A batch waits until a person accepts its estimate."""

    KIND = Kind.CONFIRMATION_NEEDED
    estimate_micros: int
    cap_micros: int

    @property
    def occasion(self) -> str:
        """One estimate of one batch."""
        return f"{self.batch_id}:{self.estimate_micros}"

    def title(self, batch: str) -> str:
        """What waits."""
        return f"The estimate of {batch} waits for confirmation"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """The figures, and how to confirm."""
        command = f"socialanalyzer batch confirm {key_of(batch)} --micros {self.estimate_micros}"
        return (
            f"It is expected to cost {usd_text(self.estimate_micros)}, at most its cap of {usd_text(self.cap_micros)}.",
            f"`{command}` accepts that; until then nothing is spent.",
        )


class Escalation(Event):
    """A choice that a person has to make (spec 15.4); `subject` names it and no other, `how` says how to answer."""

    KIND = Kind.ESCALATION
    subject: str
    what: str
    why: str
    expected_micros: int | None = None
    worst_case_micros: int | None = None
    alternatives: tuple[str, ...] = ()
    without_answer: str
    how: str

    @property
    def occasion(self) -> str:
        """The choice."""
        return self.subject

    def title(self, batch: str) -> str:
        """What is asked."""
        return f"A decision is needed: {self.what}{'' if self.batch_id is None else f' ({batch})'}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """Why, what it costs, what else could be done, how to answer, and what happens without an answer."""
        costs = [
            f"{name}: {usd_text(micros)}."
            for name, micros in (("Expected cost", self.expected_micros), ("At worst", self.worst_case_micros))
            if micros is not None
        ]
        instead = (f"Instead: {'; '.join(self.alternatives)}.",) if self.alternatives else ()
        ends = (self.how, f"Without an answer: {self.without_answer}")
        return f"Why: {self.why.rstrip('.')}.", *costs, *instead, *ends


def _asked(batch: str, is_about_plan: bool) -> str:
    return f"The CRM plan of {batch}" if is_about_plan else begun(batch)


def planned(rows: Mapping[str, int]) -> str:
    """'12 create, 3 update'."""
    return ", ".join(f"{number:,} {action}" for action, number in rows.items() if number) or "nothing"


def how_to_answer(key: str, is_about_plan: bool) -> str:
    """The commands."""
    command = f"socialanalyzer batch plan {key}" if is_about_plan else f"socialanalyzer batch show {key}"
    look = f"Look: `{command}`."
    return f"{look} Decide: `socialanalyzer batch approve {key} --by NAME`, `reject`, or `change` to have it otherwise."
