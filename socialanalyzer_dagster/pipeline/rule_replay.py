"""Rules replayed over what is stored: what they would have done, without writing, asking or paying anything (15.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import Loosen
from socialanalyzer_dagster.domain.rules import DecisionPoint, PastDeed, RuleChoice, Verdict, choose
from socialanalyzer_dagster.domain.types import BatchKey, JsonValue, Stage
from socialanalyzer_dagster.pipeline.rule_counts import point_facts
from socialanalyzer_dagster.pipeline.rule_drafts import Drafting, step_taken
from socialanalyzer_dagster.pipeline.rule_points import Point, past_deeds, rule_history
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, decisions, lineages
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import StoredDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One rule at one decision point: what it would have done, and what was really done (None = nobody looked)."""

    at: datetime
    batch: BatchKey
    stage: Stage
    rule: str
    verdict: Verdict
    action: str
    sentence: str
    changes: str | None
    really: str | None

    def as_json(self) -> dict[str, JsonValue]:
        """The object of `rules simulate --json`."""
        return {
            "at": self.at.isoformat(),
            "batch": self.batch,
            "stage": self.stage,
            "rule": self.rule,
            "verdict": self.verdict,
            "action": self.action,
            "sentence": self.sentence,
            "changes": self.changes,
            "really": self.really,
        }


@dataclass(slots=True)
class _Chain:
    """What rules did in a chain before the replay, and would have done since."""

    deeds: list[PastDeed]
    step: int


@dataclass(slots=True)
class _Replay:
    connection: Connection
    workplace: Workplace
    policy: Policy
    since: datetime
    chains: dict[str, _Chain] = field(default_factory=dict)

    def at(self, ended: lineages.EndedStage) -> list[Replayed]:
        """Every rule due at one end of a stage."""
        batch = batches.batch_by_id(self.connection, ended.batch_id)
        if batch is None:
            return []
        point = Point(batch=batch, stage=ended.stage, finished_at=ended.finished_at)
        place = lineages.place_of(self.connection, batch.batch_id)
        chain = self._chain(place.lineage)
        facts = point_facts(self.connection, batch, ended.stage, self.policy)
        here = DecisionPoint(batch_id=batch.batch_id, stage=ended.stage, facts=facts, depth=place.depth)
        made = {each.dedup_key: each for each in decisions.of_batch(self.connection, batch.batch_id)}
        return [
            self._replayed(point, chain, choice, made.get(point.key(choice.name)))
            for choice in choose(self.policy, here, chain.deeds)
        ]

    def _chain(self, lineage: str) -> _Chain:
        if lineage not in self.chains:
            before = [each for each in rule_history(self.connection, lineage) if each.at < self.since]
            self.chains[lineage] = _Chain(deeds=past_deeds(before), step=step_taken(before))
        return self.chains[lineage]

    def _replayed(self, point: Point, chain: _Chain, choice: RuleChoice, really: StoredDecision | None) -> Replayed:
        choice, changes = self._drafted(point.batch, chain, choice)
        if choice.verdict.is_deed:
            cap = choice.looked.seen.get("cap_micros")
            chain.deeds.append(
                PastDeed(
                    rule=choice.name,
                    verdict=choice.verdict,
                    batch_id=point.batch.batch_id,
                    cap_micros=cap if isinstance(cap, int) else None,
                )
            )
        return Replayed(
            at=point.finished_at,
            batch=point.batch.partition_key,
            stage=point.stage,
            rule=choice.name,
            verdict=choice.verdict,
            action=choice.rule.then.kind,
            sentence=choice.sentence,
            changes=changes,
            really=None if really is None else f"{really.action}: {really.result or 'open'}",
        )

    def _drafted(self, batch: Batch, chain: _Chain, choice: RuleChoice) -> tuple[RuleChoice, str | None]:
        if choice.verdict is not Verdict.ACT or not isinstance(choice.rule.then, Loosen):
            return choice, None
        drafting = Drafting(self.connection, self.workplace, self.policy, self.workplace.clock.now())
        choice, draft = drafting.looser(batch, choice, chain.step)
        if draft is None:
            return choice, None
        chain.step = draft.step if draft.step is not None else chain.step
        return choice, draft.changes


def replay(workplace: Workplace, policy: Policy, *, since: datetime, until: datetime) -> Sequence[Replayed]:
    """Every due rule at every end of a stage in [since, until), in the order of the ends; reads only, $0.

    Each stage is looked at as its leads stand now, at its last end. What rules did before `since` counts as done; from
    there on each rule remembers what it would have done instead of what was done.
    """
    with workplace.database.read() as connection:
        replaying = _Replay(connection, workplace, policy, since)
        return [each for ended in lineages.stages_ended(connection, since, until) for each in replaying.at(ended)]
