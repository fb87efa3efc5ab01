"""Decision points: a batch after a stage, what rules decided there, and what they did in its chain (15.1, 15.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.rule_questions import REFUSED
from socialanalyzer_dagster.domain.rules import PastDeed, Verdict
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.rule_questions import (
    is_question,
)
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, decisions
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision, StoredDecision
from socialanalyzer_dagster.storage.lineages import EndedStage

KIND = "rule"
ASK = "ask"
NOTHING = "nothing"
TOLD = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A batch whose stage was gone through; each such end is decided about once."""

    batch: Batch
    stage: Stage
    finished_at: datetime

    def key(self, rule: str) -> str:
        """The same rule at the same point is one decision, whoever looks."""
        return key_at(rule, EndedStage(batch_id=self.batch.batch_id, stage=self.stage, finished_at=self.finished_at))


def key_at(rule: str, ended: EndedStage) -> str:
    """What a rule's decision at an end of a stage is known by."""
    return f"{KIND}:{rule}:{ended.batch_id}:{ended.stage}:{ended.finished_at.timestamp():.6f}"


def point_after(workplace: Workplace, batch: Batch, stage: Stage) -> Point | None:
    """The decision point after a stage; None while the stage is not gone through."""
    with workplace.database.read() as connection:
        progress = batches.stage_progress(connection, batch.batch_id).get(stage)
    if progress is None or progress.finished_at is None:
        return None
    return Point(batch=batch, stage=stage, finished_at=progress.finished_at)


def waits_for_person(decision: StoredDecision) -> bool:
    """True for what no rule carries out by itself."""
    return decision.action == ASK or is_question(decision)


def deeds_at(workplace: Workplace, point: Point) -> tuple[str, ...]:
    """Why rules acted or asked at a point, in sentences; () where there was nothing to do."""
    with workplace.database.read() as connection:
        made = decisions.of_batch(connection, point.batch.batch_id)
    here = f":{point.batch.batch_id}:{point.stage}:{point.finished_at.timestamp():.6f}"
    return tuple(each.reason for each in made if each.action != NOTHING and each.dedup_key.endswith(here))


def rule_history(connection: Connection, lineage: str) -> list[StoredDecision]:
    """What rules decided about a chain of batches so far."""
    return [each for each in decisions.of_lineage(connection, lineage) if each.kind == KIND]


def past_deeds(history: Sequence[StoredDecision]) -> list[PastDeed]:
    """The decisions of which something came."""
    deeds = []
    for each in history:
        verdict = Verdict(str(each.parameters["verdict"]))
        if verdict.is_deed and each.batch_id is not None:
            cap = each.condition.get("cap_micros")
            deeds.append(
                PastDeed(
                    rule=rule_of(each),
                    verdict=verdict,
                    batch_id=each.batch_id,
                    is_open=each.result is None,
                    was_refused=each.result in REFUSED,
                    cap_micros=cap if isinstance(cap, int) else None,
                )
            )
    return deeds


def rule_of(decision: Decision) -> str:
    """The name of the rule that decided."""
    return decision.actor.partition("@")[0]
