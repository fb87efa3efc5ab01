"""Rules inside a run: they decide as soon as a stage is gone through, and may keep the batch from going on (15.1)."""

from dataclasses import dataclass

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.rule_choices import decide
from socialanalyzer_dagster.pipeline.rule_deeds import HOLDING
from socialanalyzer_dagster.pipeline.rule_points import deeds_at, point_after
from socialanalyzer_dagster.pipeline.rule_watch import act_on


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesApplied:
    """What rules chose after a stage, a sentence each, and why the batch is held (None = it goes on)."""

    sentences: tuple[str, ...] = ()
    held: str | None = None


def apply_rules(batch: OpenBatch, stage: Stage) -> RulesApplied:
    """Carry out what rules choose after a stage; a held batch is halted, so that the run does no more."""
    point = point_after(batch.workplace, batch.refresh(), stage)
    if point is None:
        return RulesApplied()
    held = None
    for decision in decide(batch.workplace, point):
        said = act_on(batch.workplace, decision)
        if said is not None and decision.action in HOLDING:
            held = held or said
    if held is not None:
        batch.is_halted = True
        batch.refresh()
    return RulesApplied(sentences=deeds_at(batch.workplace, point), held=held)
