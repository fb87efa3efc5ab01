"""A question of a rule as people read and answer it: what, why, its cost, what else, and what silence means (15.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from socialanalyzer_dagster.domain.money import usd_text


class Proposal(StrEnum):
    """What would be done: a looser search, the failed leads again, more of the same, or a held batch goes on."""

    LOOSEN = "loosen"
    RETRY_FAILED = "retry_failed"
    PROPOSE_SEARCH = "propose_search"
    RESUME = "resume"

    @property
    def is_search(self) -> bool:
        """True when a yes makes another batch, False when it lets this one go on."""
        return self in (Proposal.LOOSEN, Proposal.PROPOSE_SEARCH)


class Reply(StrEnum):
    """What a person may answer."""

    APPROVE = "approve"
    REJECT = "reject"
    MODIFY = "modify"


RESULTS: Mapping[Reply, str] = {Reply.APPROVE: "approved", Reply.REJECT: "rejected", Reply.MODIFY: "modified"}
"""What became of a question, by the reply."""
EXPIRED, OVERTAKEN = "expired", "overtaken"
REFUSED = frozenset({RESULTS[Reply.REJECT], EXPIRED})
"""Results that are a no: nobody asks again for the same chain of batches (spec 15.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleQuestion:
    """One question; `expected_micros` is None where it depends on filters that nobody drafted yet.

    `filters` are those of the drafted search, None without one, and `changes` says what differs in them. The worst case
    is the cap of what is proposed: 0 = no money is left for it; None = nobody counted it.
    """

    number: int
    rule: str
    batch_key: str
    proposal: Proposal
    why: str
    expected_micros: int | None
    worst_case_micros: int | None
    changes: str | None
    filters: Mapping[str, Any] | None
    asked_at: datetime
    expires_at: datetime

    @property
    def has_draft(self) -> bool:
        """True when there is a search to launch."""
        return self.filters is not None

    @property
    def what(self) -> str:
        """What a yes does."""
        changed = f" ({self.changes})" if self.changes else ""
        return {
            Proposal.LOOSEN: f"whether to run the search of {self.batch_key} again with looser filters{changed}",
            Proposal.RETRY_FAILED: f"whether to try the failed leads of {self.batch_key} again",
            Proposal.RESUME: f"whether batch {self.batch_key} goes on, which a rule paused",
            Proposal.PROPOSE_SEARCH: f"whether to search for more of what {self.batch_key} found{changed}",
        }[self.proposal]

    @property
    def cost(self) -> str:
        """What a yes costs."""
        if self._is_broke:
            return "Nothing of the batch's spending cap is left for it: name another cap."
        if self.expected_micros is None or self.worst_case_micros is None:
            worst = f", at most {usd_text(self.worst_case_micros)}" if self.worst_case_micros is not None else ""
            return f"What it costs depends on the filters that you give{worst}."
        return f"Expected cost: {usd_text(self.expected_micros)}; at worst: {usd_text(self.worst_case_micros)}."

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The answers that make sense."""
        if not self.proposal.is_search:
            return Reply.APPROVE, Reply.REJECT
        if not self.has_draft or self._is_broke:
            return Reply.MODIFY, Reply.REJECT
        return Reply.APPROVE, Reply.REJECT, Reply.MODIFY

    @property
    def _is_broke(self) -> bool:
        return self.proposal.is_search and self.worst_case_micros == 0

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What else could be done."""
        if not self.proposal.is_search:
            look = f"look at what went wrong first (`socialanalyzer batch log {self.batch_key}`)"
            is_held = self.proposal is Proposal.RESUME
            end = f"end it (`socialanalyzer batch stop {self.batch_key}`)"
            return look, end if is_held else "go on with the leads that passed (reject)"
        otherwise = "other filters, fewer leads or another cap (modify)"
        leave = "search no further here (reject)"
        return (otherwise, leave) if self.has_draft else ("filters of your own (modify)", leave)

    @property
    def commands(self) -> tuple[str, ...]:
        """How to answer."""
        ways = {
            Reply.APPROVE: "approve --by NAME",
            Reply.REJECT: "reject --by NAME --reason WHY",
            Reply.MODIFY: "modify --by NAME --reason WHY [--max-spend USD] [--max-leads N] [--filters JSON]",
        }
        return tuple(f"socialanalyzer rules answer {self.number} {ways[reply]}" for reply in self.replies)

    @property
    def how(self) -> str:
        """The same in a sentence, for messages."""
        *first, last = (f"`{command}`" for command in self.commands)
        return f"Answer by {', '.join(first)} or {last}."

    @property
    def without_answer(self) -> str:
        """What happens when nobody answers."""
        return f"at {self.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC it counts as a no, and {self._no}."

    @property
    def _no(self) -> str:
        return "the batch stays paused" if self.proposal is Proposal.RESUME else "nothing is done"

    def as_json(self) -> dict[str, Any]:
        """The object of `rules questions --json`."""
        return {
            "id": self.number,
            "rule": self.rule,
            "batch": self.batch_key,
            "proposal": self.proposal,
            "what": self.what,
            "why": self.why,
            "filters": self.filters,
            "expected_micros": self.expected_micros,
            "worst_case_micros": self.worst_case_micros,
            "alternatives": list(self.alternatives),
            "without_answer": self.without_answer,
            "asked_at": self.asked_at,
            "expires_at": self.expires_at,
            "answers": list(self.commands),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """What a person wants otherwise of a drafted search; None leaves it as it is. `filters` are those that differ."""

    cap_micros: int | None = None
    max_leads: int | None = None
    filters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """Who says what, and why."""

    reply: Reply
    by: str
    reason: str | None = None
    otherwise: Otherwise = Otherwise()


def senseless(question: RuleQuestion, given: RuleAnswer) -> str | None:
    """Why an answer cannot be taken, and what would do; None when it can."""
    wanted = given.otherwise
    if given.reply is not Reply.APPROVE and not given.reason:
        return f"to {given.reply} needs a reason: --reason WHY"
    if given.reply is Reply.REJECT:
        return None
    if not question.proposal.is_search:
        return "there is nothing to change about it: approve or reject it" if given.reply is Reply.MODIFY else None
    if given.reply is Reply.MODIFY and wanted == Otherwise():
        return "say what is to be otherwise: --max-spend, --max-leads or --filters"
    if not question.has_draft and wanted.filters is None:
        return "no search is drafted: modify it with --filters, or reject it"
    if question.worst_case_micros == 0 and wanted.cap_micros is None:
        return "nothing of the batch's spending cap is left: modify it with --max-spend, or reject it"
    return None
