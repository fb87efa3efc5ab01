"""The asset checks of a batch, made by one factory because partitioned checks are a preview of Dagster."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from socialanalyzer_dagster.assets.analyzed_leads import analyzed_leads
from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.assets.discovered_leads import discovered_leads
from socialanalyzer_dagster.assets.enriched_leads import enriched_leads
from socialanalyzer_dagster.assets.scored_leads import scored_leads
from socialanalyzer_dagster.assets.screened_leads import screened_leads
from socialanalyzer_dagster.assets.synced_leads import synced_leads
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline import audits, sync_audits
from socialanalyzer_dagster.pipeline.audited_batch import audited_batch
from socialanalyzer_dagster.resources.pipeline import DatabaseResource
from socialanalyzer_dagster.settings import Settings

STAGE_ASSETS: Mapping[Stage, dg.AssetsDefinition] = {
    Stage.DISCOVERED: discovered_leads,
    Stage.SCREENED: screened_leads,
    Stage.ENRICHED: enriched_leads,
    Stage.ANALYZED: analyzed_leads,
    Stage.SCORED: scored_leads,
    Stage.SYNCED: synced_leads,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOf:
    """A statement about one stage's leads, shown on an asset; a blocking one stops what comes after in the same run."""

    name: str
    asset: dg.AssetsDefinition
    stage: Stage
    audit: audits.Audit
    blocking: bool = True


def batch_check(statement: CheckOf) -> dg.AssetChecksDefinition:
    """One partitioned check; its docstring in the UI is the audit's."""

    @dg.asset_check(
        name=statement.name,
        asset=statement.asset,
        description=statement.audit.__doc__,
        blocking=statement.blocking,
        partitions_def=LEAD_BATCHES,
    )
    def check(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> dg.AssetCheckResult:
        with database.opened() as opened, opened.read() as connection:
            suppression_key = Settings.from_environment().suppression_key
            batch = audited_batch(connection, context.partition_key, suppression_key=suppression_key)
            verdict = statement.audit(connection, batch, statement.stage)
        return dg.AssetCheckResult(
            passed=verdict.holds,
            severity=dg.AssetCheckSeverity.ERROR if statement.blocking else dg.AssetCheckSeverity.WARN,
            description=verdict.sentence,
            metadata={"batch": context.partition_key, **verdict.figures},
        )

    return check


def batch_checks() -> list[dg.AssetChecksDefinition]:
    """Every check of the pipeline."""
    statements = [
        CheckOf(name="outcomes_complete", asset=asset, stage=stage, audit=audits.outcomes_add_up)
        for stage, asset in STAGE_ASSETS.items()
    ]
    statements += [
        CheckOf(name="schema_valid", asset=STAGE_ASSETS[stage], stage=stage, audit=audits.evidence_conforms)
        for stage in (Stage.SCREENED, Stage.ANALYZED, Stage.SCORED)
    ]
    statements += [
        CheckOf(
            name="no_duplicate_identity", asset=discovered_leads, stage=Stage.DISCOVERED, audit=audits.no_lead_twice
        ),
        CheckOf(
            name="yield_in_bounds",
            asset=screened_leads,
            stage=Stage.SCREENED,
            audit=audits.yield_in_bounds,
            blocking=False,
        ),
        CheckOf(
            name="provenance_present",
            asset=enriched_leads,
            stage=Stage.ENRICHED,
            audit=audits.contacts_have_provenance,
        ),
        CheckOf(name="score_recompute", asset=scored_leads, stage=Stage.SCORED, audit=audits.scores_recompute),
        CheckOf(name="stages_hold", asset=crm_sync_plan, stage=Stage.SCORED, audit=audits.earlier_stages_hold),
        CheckOf(name="ledger_balanced", asset=crm_sync_plan, stage=Stage.SCORED, audit=audits.ledger_reconciles),
    ]
    of_the_sync = {
        "plan_matches_approval": sync_audits.plan_matches_approval,
        "rows_accounted": sync_audits.plan_rows_accounted,
        "never_suppressed": sync_audits.never_suppressed,
    }
    statements += [
        CheckOf(name=name, asset=synced_leads, stage=Stage.SYNCED, audit=audit) for name, audit in of_the_sync.items()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitioned checks are a preview; Dagster is pinned for it
        return [batch_check(statement) for statement in statements]
