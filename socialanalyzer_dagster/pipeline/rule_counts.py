"""What rules look at after a stage, counted from the database: only what a rule due there asks for (spec 15.1)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Grade
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.outcomes import FAILED, Outcome, Result
from socialanalyzer_dagster.domain.outside_text import comparable
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import NicheCluster
from socialanalyzer_dagster.domain.rule_facts import PointFacts, ScoredLead
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.baselines import stage_comparisons
from socialanalyzer_dagster.pipeline.counters import StageCounters, stage_counters
from socialanalyzer_dagster.platforms.evidence_kinds import ITEM_JUDGEMENTS, ItemJudgements
from socialanalyzer_dagster.storage import batch_quality, budget_scopes, lineages, outcome_sets
from socialanalyzer_dagster.storage.batches import Batch


def point_facts(connection: Connection, batch: Batch, stage: Stage, policy: Policy) -> PointFacts:
    """The counts that the rules of a policy need after a stage of the batch, as they stand now."""
    due = [rule.when for rule in policy.rules.table.values() if stage in rule.after]
    kinds = {condition.kind for condition in due}
    counters = stage_counters(connection, batch.batch_id)
    facts = _counted(counters[stage])
    if "vendor_away" in kinds:
        facts = _with_waits(connection, batch, stage, facts)
    if "stale_search" in kinds and batch_quality.cut_short(connection, batch.batch_id) is None:
        facts = replace(facts, found=counters[stage].entered, new=counters[stage].passed)
    if "many_reasks" in kinds:
        again, answers = batch_quality.model_reasks(connection, batch.batch_id) or (0, 0)
        facts = replace(facts, reasks=again, answers=answers)
    if "cap_nearly_used" in kinds:
        facts = _with_money(connection, batch, policy, facts)
    if "deviation" in kinds:
        facts = replace(facts, worse=_worse(connection, batch, stage, policy))
    if niches := [condition.min_score for condition in due if isinstance(condition, NicheCluster)]:
        facts = replace(facts, scored=_scored(connection, batch, min(niches)))
    return facts


def _counted(counters: StageCounters) -> PointFacts:
    return PointFacts(
        judged=counters.passed + counters.rejected,
        passed=counters.passed,
        attempted=counters.passed + counters.rejected + counters.failed,
        failed=sum(number for code, number in counters.reasons.items() if code in _MAY_PASS),
        reached=counters.entered,
    )


_MAY_PASS = frozenset(
    code for stage, codes in FAILED.items() for code in codes if Outcome(stage, Result.FAILED, code).retryable
)


def _with_waits(connection: Connection, batch: Batch, stage: Stage, facts: PointFacts) -> PointFacts:
    waits = outcome_sets.waits_of(connection, batch.batch_id, stage)
    vendors = Counter(str(each.get("vendor")) for each in waits)
    return replace(facts, waiting=len(waits), vendor=max(sorted(vendors), key=vendors.__getitem__, default=None))


def _with_money(connection: Connection, batch: Batch, policy: Policy, facts: PointFacts) -> PointFacts:
    scope = f"batch:{batch.batch_id}"
    used = budget_scopes.used_micros(connection, [scope]).get(scope, 0)
    cap = min(batch.cap_micros, micros_from_usd(policy.budgets.batch_absolute_usd))
    return replace(facts, used_micros=used, cap_micros=cap)


def _worse(connection: Connection, batch: Batch, stage: Stage, policy: Policy) -> list[str]:
    found = stage_comparisons(connection, batch, policy, stage)
    return [comparison_text(each) for each in found if each.grade is Grade.SIGNIFICANT and each.is_bad]


def _scored(connection: Connection, batch: Batch, min_score: Decimal) -> list[ScoredLead]:
    """Every scored lead, the themes of those of at least this score alone."""
    scores = lineages.live_scores(connection, batch.batch_id)
    best = [each.lead for each in scores if Decimal(each.lead_score) >= min_score]
    themes = _themes(lineages.bodies_of_kind(connection, best, ITEM_JUDGEMENTS))
    return [
        ScoredLead(score=Decimal(each.lead_score), category=each.category, theme=themes.get(each.lead))
        for each in scores
    ]


def _themes(bodies: Iterable[tuple[LeadUid, object]]) -> Mapping[LeadUid, str]:
    """The theme that most judged items of a lead have; the first by name of equals."""
    counts: dict[LeadUid, Counter[str]] = defaultdict(Counter)
    for lead, body in bodies:
        judged = ItemJudgements.model_validate(body)
        counts[lead].update(comparable(item.judgement.niche_theme) for item in judged.items)
    return {lead: min(each, key=lambda theme: (-each[theme], theme)) for lead, each in counts.items() if each}
