"""When a person must say yes, what they are told, and what happens while they say nothing (spec 15.2, 15.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from socialanalyzer_dagster.domain.money import micros_from_usd, usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.sentences import counted, leads
from socialanalyzer_dagster.domain.types import Stage, sha256_of


class QuestionKind(StrEnum):
    """What a person is asked: to let a stage begin, to let a plan be written, to go on after a vendor refused us."""

    STAGE = "stage"
    PLAN = "plan"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a batch stands before a stage: leads that would go in, money so far, and what the rest would cost."""

    leads: int
    spent_micros: int
    expected_micros: int
    worst_case_micros: int

    @property
    def expected_total(self) -> int:
        """What the batch will probably have cost in the end."""
        return self.spent_micros + self.expected_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The subject of a gate; `leads` are contacts for a plan, `number` counts the questions of a batch.

    `is_escalated` = nobody would be asked by the policy's `requires_approval`, and no answer comes sooner to a no.
    """

    kind: QuestionKind
    number: int
    stage: Stage
    why: str
    leads: int
    spent_micros: int
    expected_micros: int
    worst_case_micros: int
    is_escalated: bool = False

    @property
    def subject_hash(self) -> str:
        """What an answer is about: exactly these figures."""
        return sha256_of(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Question":
        """The question that was stored."""
        return cls(**{**stored, "kind": QuestionKind(stored["kind"]), "stage": Stage(stored["stage"])})

    def allows_total(self, figures: Figures) -> bool:
        """True when the expected end is within the worst case that was named."""
        return figures.expected_total <= self.spent_micros + self.worst_case_micros

    @property
    def what(self) -> str:
        """What a yes allows."""
        return {
            QuestionKind.STAGE: f"{leads(self.leads)} may be {self.stage}",
            QuestionKind.PLAN: f"{counted(self.leads, 'contact')} may be written to the CRM",
            QuestionKind.RESUME: f"it may go on at {self.stage} with {leads(self.leads)}",
        }[self.kind]

    @property
    def sentence(self) -> str:
        """What waits for whom, in figures: the cause of a batch that waits."""
        asked = f"waits for a person to say whether {self.what}, because {self.why}"
        told = f"{asked}: {usd_text(self.spent_micros)} spent so far"
        if self.kind is QuestionKind.PLAN:
            return told
        return f"{told}, about {usd_text(self.expected_micros)} and at most {usd_text(self.worst_case_micros)} to come"


def why_ask_before_sync(
    policy: Policy, *, contacts: int, spend_micros: int, is_canary: bool = False
) -> tuple[str, bool] | None:
    """Why a person is asked before a plan is written, and whether that is an escalation; None when nobody is (15.4)."""
    gates = policy.gates
    if is_canary:
        return "its first leads are to be looked at before the others follow", False
    if asks_before(policy, Stage.SYNCED):
        return "the policy asks before contacts are written", False
    if contacts > gates.person_above_contacts:
        return f"it is more than {counted(gates.person_above_contacts, 'contact')}", True
    if spend_micros > (most := micros_from_usd(gates.person_above_usd)):
        return f"the batch spent more than {usd_text(most)}", True
    return None


def asks_before(policy: Policy, stage: Stage) -> bool:
    """True where the policy asks before every start of a stage; by default before the sync alone (spec 15.2)."""
    return policy.gates.requires_approval.get(stage, stage is Stage.SYNCED)


def may_ask_before(policy: Policy, stage: Stage, cap_micros: int) -> bool:
    """False where neither the policy nor the batch's cap can give a cause to ask before a stage."""
    return asks_before(policy, stage) or cap_micros > micros_from_usd(policy.gates.person_above_usd)


def why_ask(policy: Policy, stage: Stage, figures: Figures, approved: Iterable[Question]) -> tuple[str, bool] | None:
    """Why a person is asked before a paid stage begins, and whether that is an escalation; None when nobody is.

    `approved` are the questions about stages of this batch that were answered with yes. One yes is enough for leads and
    money within what it named: a retry asks nobody again, more leads do.
    """
    said_yes = [each for each in approved if each.kind is QuestionKind.STAGE]
    if asks_before(policy, stage) and not any(each.stage is stage and figures.leads <= each.leads for each in said_yes):
        return f"the policy asks before leads are {stage}", False
    most = micros_from_usd(policy.gates.person_above_usd)
    if figures.expected_total > most and not any(each.allows_total(figures) for each in said_yes):
        return f"the batch will probably cost more than {usd_text(most)}", True
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When people are reminded of an open question (None: it ends before), and when no answer is a no."""

    remind_at: datetime | None
    expires_at: datetime


def deadlines(policy: Policy, *, requested_at: datetime, is_escalated: bool, is_plan: bool = False) -> Deadlines:
    """The policy's hours from the moment of asking; a question about a plan ends with it (spec 15.2, 15.4)."""
    hours = policy.escalation.answer_hours if is_escalated else policy.gates.expiry_hours
    if is_plan:
        hours = min(hours, policy.crm.plan_hours)
    expires_at = requested_at + timedelta(hours=hours)
    remind_at = requested_at + timedelta(hours=policy.gates.reminder_hours)
    return Deadlines(remind_at=remind_at if remind_at < expires_at else None, expires_at=expires_at)


class Due(StrEnum):
    """What time has brought about for an open question."""

    NOTHING = "nothing"
    REMINDER = "reminder"
    EXPIRY = "expiry"


def due(lasts: Deadlines, now: datetime) -> Due:
    """A no that is due comes before a reminder nobody got in time."""
    if now >= lasts.expires_at:
        return Due.EXPIRY
    return Due.REMINDER if lasts.remind_at is not None and now >= lasts.remind_at else Due.NOTHING
