"""One lead on its way through the enrichment waves: what is known of it now, what it spent, and how its steps ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from socialanalyzer_dagster.domain.contact_choice import WEBSITE, ChoiceContext, resolve
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.leads import Candidate, Evidence, LeadRecord
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.outcomes import Outcome, StepState
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadWork, StepResult
from socialanalyzer_dagster.domain.refusals import BudgetExceeded
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, LeadUid
from socialanalyzer_dagster.platforms.evidence_kinds import step_finds

FINAL_STATES = frozenset({StepState.FILLED, StepState.NOTHING_FOUND, StepState.NOT_NEEDED})
"""Step results that this batch does not ask for again."""
MAX_TRIES = 2
"""A step that failed is tried once more per batch (spec 8.1)."""

LEFT_OUT_OF = "left_out_of"
"""In a step's detail: the key of the shared job that ended before it came to this lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one step found for one lead; `state` is set where 'candidates or none' does not say it.

    `facts` are seen beside the candidates and become part of the step's evidence; `evidence` is what the step itself
    has to show.
    """

    candidates: tuple[Candidate, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    cost_micros: int = 0
    detail: Mapping[str, JsonValue] = field(default_factory=dict)
    state: StepState | None = None

    def as_result(self, lead: LeadUid, step: str, tries: int) -> StepResult:
        """The stored form of a step that ran: its evidence, and candidates that point to it."""
        state = self.state or (StepState.FILLED if self.candidates else StepState.NOTHING_FOUND)
        seen = self._seen(lead, step) if self.candidates else None
        evidence_id = seen.evidence_id if seen else None
        return StepResult(
            step=step,
            state=state,
            candidates=tuple(replace(candidate, evidence_id=evidence_id) for candidate in self.candidates),
            evidence=(*self.evidence, *((seen,) if seen else ())),
            detail={**self.detail, "cost_micros": self.cost_micros, "tries": tries},
        )

    def _seen(self, lead: LeadUid, step: str) -> Evidence:
        finds: list[JsonValue] = [
            {"field": one.field, "value": one.value, "kind": one.kind.value, "source_url": one.source_url}
            for one in self.candidates
        ]
        first = self.candidates[0]
        body: JsonValue = {"finds": finds, "facts": dict(self.facts)}
        return Evidence(
            lead=lead, kind=step_finds(step), body=body, source_url=first.source_url, provider=first.provider
        )


@dataclass(frozen=True, slots=True)
class LeadView:
    """What a step may read: the record, the values resolved after the previous wave, and all candidates behind them."""

    record: LeadRecord
    values: Mapping[str, Candidate]
    candidates: Sequence[Candidate]
    details: Mapping[str, JsonObject]
    """Details of the steps of earlier waves, by letter."""

    @property
    def uid(self) -> LeadUid:
        """Identity of the lead."""
        return self.record.uid

    @property
    def email(self) -> str | None:
        """The best address so far, not verified."""
        return self.value("email")

    @property
    def name(self) -> str | None:
        """The name to search for: the creator's own, not one that a step guessed."""
        return self.record.display_name

    def value(self, field_name: str) -> str | None:
        """The resolved value of a contact field or link kind; None when unknown."""
        chosen = self.values.get(field_name)
        return chosen.value if chosen else self.record.links.get(field_name)


@dataclass(slots=True)
class LeadInEnrichment:
    """Mutable state of one lead inside one run of the stage."""

    work: LeadWork
    policy: Policy
    steps: dict[str, StepResult] = field(default_factory=dict)
    asked_now: set[str] = field(default_factory=set)
    gone: Outcome | None = None
    """Set when the lead's way ends before the waves do: the person is suppressed."""
    refused: BudgetExceeded | None = None
    """Set when there was no money for a step: the lead stays pending with the steps it has."""

    def __post_init__(self) -> None:
        self.steps.update(_that_stand(self.work.steps))

    @property
    def uid(self) -> LeadUid:
        """Identity of the lead."""
        return self.work.uid

    @property
    def is_on_its_way(self) -> bool:
        """True while further steps may be asked for the lead."""
        return self.gone is None and self.refused is None

    @property
    def spent_micros(self) -> int:
        """What the steps of this batch cost this lead so far, the stored ones included."""
        return sum(_number(result.detail.get("cost_micros")) for result in self.steps.values())

    @property
    def allowance_micros(self) -> int:
        """What steps may still cost for this lead (spec 8.1)."""
        return micros_from_usd(self.policy.enrichment.max_lead_usd) - self.spent_micros

    def spent_on(self, step: str) -> int:
        """What earlier tries of a step cost this lead."""
        result = self.steps.get(step)
        return _number(result.detail.get("cost_micros")) if result else 0

    def is_left_out_of(self, step: str, job: str) -> bool:
        """True when a shared job of the step ended before it came to the lead: replaying it would tell nothing new."""
        result = self.steps.get(step)
        return result is not None and result.detail.get(LEFT_OUT_OF) == job

    def tries(self, step: str) -> int:
        """How often a step was tried for this lead in this batch."""
        result = self.steps.get(step)
        return _number(result.detail.get("tries")) if result else 0

    def is_open(self, step: str) -> bool:
        """True when the step is to be asked: no result of this batch stands, and this run has not asked in vain."""
        result = self.steps.get(step)
        if result is None:
            return True
        if result.state in FINAL_STATES or self.tries(step) >= MAX_TRIES:
            return False
        return step not in self.asked_now or self.failed_in_passing(step)

    def failed_in_passing(self, step: str) -> bool:
        """True when the step failed once in a way that a second try may mend."""
        result = self.steps.get(step)
        failed = result is not None and result.state is StepState.ERROR and result.detail.get("may_pass") is True
        return failed and self.tries(step) < MAX_TRIES

    def take(self, result: StepResult) -> None:
        """Keep a result that has been stored."""
        self.steps[result.step] = result
        self.asked_now.add(result.step)

    def candidates(self, *, without: frozenset[str] = frozenset()) -> tuple[Candidate, ...]:
        """All candidates, stored or found now, except those of this batch's steps named in `without`."""
        hidden = without & set(self.steps)
        known = [*self.work.candidates, *(found for result in self.steps.values() for found in result.candidates)]
        return tuple(dict.fromkeys(candidate for candidate in known if candidate.step not in hidden))

    def view(self, *, without: frozenset[str] = frozenset()) -> LeadView:
        """The lead as the steps of a wave see it: equal whether the run was interrupted inside the wave or not."""
        candidates = self.candidates(without=without)
        values = resolve(candidates, choice_context(self.work.record), self.policy)
        details = {letter: result.detail for letter, result in self.steps.items() if letter not in without}
        return LeadView(self.work.record, values, candidates, details)


def choice_context(record: LeadRecord, statuses: Mapping[str, EmailStatus] | None = None) -> ChoiceContext:
    """What the resolver knows of a lead beside its candidates (spec 8.4)."""
    names = tuple(name for name in (record.display_name,) if name)
    return ChoiceContext(names=names, website=record.links.get(WEBSITE), email_statuses=statuses or {})


def _that_stand(stored: Mapping[str, StepResult]) -> Mapping[str, StepResult]:
    """Stored steps; where a vendor was away, what seemed unneeded without its answer is decided anew."""
    if all(result.state is not StepState.PROVIDER_UNAVAILABLE for result in stored.values()):
        return stored
    return {letter: result for letter, result in stored.items() if result.state is not StepState.NOT_NEEDED}


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0
