"""Planning a day's searches: choices written to the decision log first, then queued as batches, each once."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.search_planning import Candidate, Choice, SearchPlan, plan_searches
from socialanalyzer_dagster.domain.types import sha256_of
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest, UnknownPreset
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.day_facts import PLAN, RUN, TOP_UP, day_facts, is_today, planned, rates_of
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.search_candidates import candidates
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.daily_figures import DayOf
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult, StoredDecision

_LOG = logging.getLogger(__name__)
STOP = "stop"


class PastDay(ValueError):
    """Another day than today is not planned: what it missed is not bought afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDay:
    """The plan, and what became of its choices: by search the batch's key, or why there is none."""

    plan: SearchPlan
    kind: str
    batches: Mapping[str, str]
    refused: Mapping[str, str]


def look_ahead(workplace: Workplace, of: DayOf, *, only_if_missing: bool = False) -> SearchPlan:
    """What a plan made now would choose; nothing is written or queued.

    `only_if_missing` leaves the saved searches unread while nothing is missing from the target.
    """
    policy = active_policy(workplace.database)
    with workplace.database.read() as connection:
        rates = rates_of(connection, workplace, of.platform, policy)
        facts = day_facts(connection, workplace, of, policy, rates)
        is_covered = only_if_missing and facts.missing <= 0
        known = [] if is_covered else candidates(connection, workplace, of, policy, rates())
        return plan_searches(facts, known, policy.targets)


def note_stop(workplace: Workplace, plan: SearchPlan) -> bool:
    """Write down why a day stays short of its target; True the first time it is said, False for a plan with choices."""
    policy = active_policy(workplace.database)
    return not plan.choices and bool(_recorded(workplace, _decisions(plan, workplace, policy, TOP_UP)))


def _recorded(workplace: Workplace, made: Sequence[Decision]) -> list[Decision]:
    with workplace.database.write() as connection:
        return [each for each in made if decisions.record(connection, each)]


def plan_day(workplace: Workplace, of: DayOf) -> PlannedDay:
    """Queue what the day still needs; choices that an earlier, interrupted plan made are carried out first.

    The first plan of a day is `search_plan`, later ones are `top_up`. Raises PastDay, what the database raises.
    """
    if not is_today(workplace, of.day):
        raise PastDay(
            f"{of.day} is not today: nothing is planned or bought for it. What its leads would score now costs "
            "nothing: `socialanalyzer rescore`"
        )
    policy = active_policy(workplace.database)
    with workplace.database.read() as connection:
        earlier = planned(connection, of)
    outcome = CarriedOut(workplace, of, policy)
    for each in earlier:
        if each.result is None:
            outcome.carry_out(each)
    kind = TOP_UP if earlier else PLAN
    plan = look_ahead(workplace, of)
    for choice in _recorded(workplace, _decisions(plan, workplace, policy, kind)):
        if choice.action == RUN:
            outcome.carry_out(choice)
    return PlannedDay(plan=plan, kind=kind, batches=outcome.batches, refused=outcome.refused)


def _decisions(plan: SearchPlan, workplace: Workplace, policy: Policy, kind: str) -> list[Decision]:
    """One per search that is to run; where the target stays out of reach, one that says why nothing more is done."""
    facts = plan.facts
    place = f"{facts.day}:{facts.platform}"
    shared: dict[str, Any] = {
        "at": workplace.clock.now(),
        "kind": kind,
        "actor": f"planner@{policy.policy_version}",
        "platform": facts.platform,
        "day": facts.day,
    }
    others = [_alternative(each, why) for each, why in plan.passed_over]
    made = [
        Decision(
            **shared,
            dedup_key=f"plan:{place}:{choice.candidate.preset_id}:{facts.batches + number}",
            subject=choice.candidate.name,
            action=RUN,
            reason=choice.reason,
            condition={"target": facts.target, "scored": facts.scored, "expected": round(facts.expected, 1)},
            alternatives=others,
            parameters={"preset": choice.candidate.name, "max_results": choice.max_results, **_expected(choice)},
            expected_micros=choice.micros,
        )
        for number, choice in enumerate(plan.choices)
    ]
    if facts.missing > plan.expected and not plan.choices:
        made.append(
            Decision(
                **shared,
                dedup_key=f"plan-stop:{place}:{sha256_of(plan.why)[:16]}",
                subject=str(facts.platform),
                action=STOP,
                reason=plan.why,
                condition={"target": facts.target, "scored": facts.scored, "expected": round(facts.expected, 1)},
                alternatives=others,
            )
        )
    return made


def _expected(choice: Choice) -> dict[str, float]:
    per_usd = choice.candidate.scored_per_usd(choice.scored)
    return {"scored_leads": round(choice.scored, 1), "scored_per_usd": round(per_usd, 2)}


def _alternative(candidate: Candidate, why: str) -> dict[str, Any]:
    return {"search": candidate.name, "novelty": candidate.novelty, "why_not": why}


class CarriedOut:
    """Carries choices out: each becomes one batch, however often it is tried."""

    def __init__(self, workplace: Workplace, of: DayOf, policy: Policy) -> None:
        self._workplace = workplace
        self._of = of
        self._alone_up_to = micros_from_usd(policy.gates.person_above_usd)
        self.batches: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def carry_out(self, choice: Decision | StoredDecision) -> None:
        """Queue the batch; one above what software may spend alone waits for a person's confirmation (15.4).

        A choice without `max_results` asks for as many as the saved search itself.
        """
        name = str(choice.parameters["preset"])
        size = choice.parameters.get("max_results")
        request = BatchRequest(
            platform=self._of.platform,
            preset=name,
            max_results=None if size is None else int(str(size)),
            fields={"idempotency_key": choice.dedup_key},
            stop_at_cap=True,
            confirmed=(choice.expected_micros or 0) <= self._alone_up_to,
            requested_by=choice.kind,
            day=self._of.day,
        )
        try:
            created = create_batch(self._workplace, request)
        except (BatchRefused, FilterProblems, UnknownPreset) as refused:
            self.refused[name] = str(refused)
            self._finish(choice, "refused", {"why": str(refused)})
            return
        self.batches[name] = created.key
        self._finish(choice, "queued", {"batch": created.key})

    def _finish(self, choice: Decision, result: str, detail: Mapping[str, str]) -> None:
        ended = DecisionResult(result=result, at=self._workplace.clock.now(), detail=dict(detail))
        with self._workplace.database.write() as connection:
            decisions.finish(connection, choice.dedup_key, ended)
        _LOG.info("%s of %s on %s: %s", choice.kind, choice.subject, self._of.platform, result)
