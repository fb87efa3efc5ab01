"""Choosing at a decision point: every due rule is looked at, and its choice is written before it acts (15.1, 15.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import Loosen, Notify, ProposeSearch, RetryFailed, SuggestChanges
from socialanalyzer_dagster.domain.rule_questions import Proposal
from socialanalyzer_dagster.domain.rules import DecisionPoint, RuleChoice, Verdict, choose
from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.batch_warnings import variations
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_counts import point_facts
from socialanalyzer_dagster.pipeline.rule_drafts import Drafting, SearchDraft, step_taken
from socialanalyzer_dagster.pipeline.rule_news import Chosen, event_of
from socialanalyzer_dagster.pipeline.rule_points import (
    ASK,
    KIND,
    NOTHING,
    TOLD,
    Point,
    past_deeds,
    rule_history,
    waits_for_person,
)
from socialanalyzer_dagster.pipeline.rule_questions import (
    BUDGET,
    DUE_AT,
    HOLDS,
    PROPOSES,
    WORST_CASE,
    question_of,
)
from socialanalyzer_dagster.pipeline.stage_gates import figures_at, next_work
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import decisions, lineages, outbox
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult, StoredDecision

_SAID_ONLY = (ProposeSearch, SuggestChanges, Notify)


def decide(workplace: Workplace, point: Point) -> list[StoredDecision]:
    """Look at every due rule and write down what it chooses; the choices of this point that are to be carried out.

    Safe to repeat: what was decided here before stays decided. Nothing is chosen for a batch that a person stopped.
    """
    if point.batch.stop_requested or point.batch.status == BatchStatus.STOPPED:
        return []
    policy = active_policy(workplace.database)
    due = [name for name, rule in policy.rules.table.items() if point.stage in rule.after]
    keys = [point.key(name) for name in due]
    with workplace.database.read() as connection:
        known = decisions.made_before(connection, keys)
    if len(known) < len(keys):
        _look(workplace, point, policy)
    with workplace.database.read() as connection:
        made = decisions.of_batch(connection, point.batch.batch_id)
    return [each for each in made if each.dedup_key in keys and each.result is None and not waits_for_person(each)]


def _look(workplace: Workplace, point: Point, policy: Policy) -> None:
    with workplace.database.read() as connection:
        place = lineages.place_of(connection, point.batch.batch_id)
        facts = point_facts(connection, point.batch, point.stage, policy)
    with workplace.database.write() as connection:
        lineages.lock_lineage(connection, place.lineage)
        history = rule_history(connection, place.lineage)
        here = DecisionPoint(batch_id=point.batch.batch_id, stage=point.stage, facts=facts, depth=place.depth)
        looking = _Looking(
            connection=connection,
            workplace=workplace,
            point=point,
            policy=policy,
            lineage=place.lineage,
            history=history,
            now=workplace.clock.now(),
        )
        for choice in choose(policy, here, past_deeds(history)):
            looking.write(choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drafted:
    """What a decision stores beside the choice: what its deed needs, and what it will probably cost."""

    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    expected_micros: int | None = None


def _of_draft(draft: SearchDraft, proposes: str | None) -> _Drafted:
    """A search to be launched, by a person where it is proposed."""
    asked: dict[str, JsonValue] = {} if proposes is None else {PROPOSES: proposes}
    return _Drafted(parameters={**draft.as_parameters(), **asked}, expected_micros=draft.expected_micros)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looking:
    """Writes the choices of one point inside one transaction."""

    connection: Connection
    workplace: Workplace
    point: Point
    policy: Policy
    lineage: str
    history: Sequence[StoredDecision]
    now: datetime

    def write(self, choice: RuleChoice) -> None:
        """One row; what needs no deed beyond being said has its result at once."""
        choice, drafted = self._drafted(choice)
        batch, is_act = self.point.batch, choice.verdict is Verdict.ACT
        made = Decision(
            dedup_key=self.point.key(choice.name),
            at=self.now,
            kind=KIND,
            actor=f"{choice.name}@{self.policy.policy_version}",
            subject=batch.partition_key,
            action=choice.rule.then.kind if is_act else ASK if choice.verdict is Verdict.ASK else NOTHING,
            reason=choice.sentence,
            platform=batch.platform,
            day=self.now.date(),
            lineage=self.lineage,
            batch_id=batch.batch_id,
            stage=self.point.stage,
            condition=choice.looked.seen,
            parameters={"verdict": choice.verdict, "attempt": batch.attempt, **drafted.parameters},
            expected_micros=drafted.expected_micros,
        )
        if not decisions.record(self.connection, made):
            return
        self._tell(choice, self._asked_to_resume(choice, made) or made)
        if not choice.verdict.is_deed:
            self._finish(made, NOTHING)
        elif is_act and isinstance(choice.rule.then, _SAID_ONLY) and PROPOSES not in made.parameters:
            self._finish(made, TOLD)

    def _asked_to_resume(self, choice: RuleChoice, made: Decision) -> Decision | None:
        """The question whether a batch goes on that no vendor's return frees; None for any other choice."""
        if made.action != "pause" or "vendor" in made.condition:
            return None
        row = self.point.batch
        stage = next_work(self.connection, row) or self.point.stage
        figures = figures_at(self.connection, self.workplace, row, stage=stage, policy=self.policy)
        parameters = {**made.parameters, "verdict": Verdict.ASK, PROPOSES: Proposal.RESUME, HOLDS: made.dedup_key}
        asked = replace(
            made,
            dedup_key=f"{made.dedup_key}:resume",
            action=ASK,
            parameters={**parameters, WORST_CASE: figures.worst_case_micros},
            expected_micros=figures.expected_micros,
        )
        decisions.record(self.connection, asked)
        return asked

    def _tell(self, choice: RuleChoice, made: Decision) -> None:
        stored = decisions.decision(self.connection, made.dedup_key) if PROPOSES in made.parameters else None
        question = None if stored is None else question_of(stored, self.policy.rules.answer_hours)
        event = event_of(Chosen(choice=choice, made=made, batch=self.point.batch, question=question))
        if event is not None:
            outbox.emit(self.connection, event, now=self.now)

    def _finish(self, made: Decision, result: str) -> None:
        decisions.finish(self.connection, made.dedup_key, DecisionResult(result=result, at=self.now))

    def _drafted(self, choice: RuleChoice) -> tuple[RuleChoice, _Drafted]:
        """The choice with everything its deed needs; a rule that cannot act asks a person, or lets it be."""
        if isinstance(choice.rule.then, Loosen) and choice.verdict.is_deed:
            return self._loosened(choice)
        if choice.verdict is Verdict.ASK:
            return choice, self._asked(choice)
        return choice, self._acted(choice) if choice.verdict is Verdict.ACT else _Drafted()

    def _acted(self, choice: RuleChoice) -> _Drafted:
        then = choice.rule.then
        if isinstance(then, RetryFailed):
            wait = timedelta(minutes=then.wait_minutes[choice.number - 1])
            return _Drafted(parameters={DUE_AT: (self.now + wait).isoformat(), "number": choice.number})
        if isinstance(then, ProposeSearch) and choice.looked.niche is not None:
            draft = self._drafting().niche(self.point.batch, choice.looked.niche)
            return _Drafted() if draft is None else _of_draft(draft, then.kind)
        if isinstance(then, SuggestChanges):
            return _Drafted(parameters={"suggestions": self._suggestions()})
        return _Drafted()

    def _asked(self, choice: RuleChoice) -> _Drafted:
        """A question about the leads that failed, with what they would cost from this stage on."""
        if not isinstance(choice.rule.then, RetryFailed):
            return _Drafted()
        batch, stage = self.point.batch, self.point.stage
        figures = figures_at(self.connection, self.workplace, batch, stage=stage, policy=self.policy)
        asked: dict[str, JsonValue] = {PROPOSES: choice.rule.then.kind, WORST_CASE: figures.worst_case_micros}
        return _Drafted(parameters=asked, expected_micros=figures.expected_micros)

    def _drafting(self) -> Drafting:
        return Drafting(self.connection, self.workplace, self.policy, self.now)

    def _loosened(self, choice: RuleChoice) -> tuple[RuleChoice, _Drafted]:
        choice, draft = self._drafting().looser(self.point.batch, choice, step_taken(self.history))
        proposes = choice.rule.then.kind if choice.verdict is Verdict.ASK else None
        if draft is not None:
            return choice, _of_draft(draft, proposes)
        if proposes is None:
            return choice, _Drafted()
        left = self._drafting().left(self.point.batch)
        return choice, _Drafted(parameters={PROPOSES: proposes, BUDGET: left, WORST_CASE: left})

    def _suggestions(self) -> list[str]:
        batch = self.point.batch
        tries = variations(self.connection, PlatformKey(batch.platform), batch.filters, policy=self.policy)
        return [each.text for each in tries]
