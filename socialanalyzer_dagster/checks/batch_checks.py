"""What must be true of a batch: its outcomes, evidence, scores, money and CRM rows, each shown on its asset."""

from collections.abc import Mapping
from functools import partial

import dagster as dg

from socialanalyzer_dagster.assets.analyzed_leads import analyzed_leads
from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.assets.discovered_leads import discovered_leads
from socialanalyzer_dagster.assets.enriched_leads import enriched_leads
from socialanalyzer_dagster.assets.scored_leads import scored_leads
from socialanalyzer_dagster.assets.screened_leads import screened_leads
from socialanalyzer_dagster.assets.synced_leads import synced_leads
from socialanalyzer_dagster.checks.check_groups import CheckOf, CheckVerdict
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import audits, sync_audits
from socialanalyzer_dagster.pipeline.audited_batch import audited_batch
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database

STAGE_ASSETS: Mapping[Stage, dg.AssetsDefinition] = {
    Stage.DISCOVERED: discovered_leads,
    Stage.SCREENED: screened_leads,
    Stage.ENRICHED: enriched_leads,
    Stage.ANALYZED: analyzed_leads,
    Stage.SCORED: scored_leads,
    Stage.SYNCED: synced_leads,
}
_OF_STAGES: Mapping[Stage, Mapping[str, audits.Audit]] = {
    Stage.DISCOVERED: {"no_duplicate_identity": audits.no_lead_twice},
    Stage.SCREENED: {"schema_valid": audits.evidence_conforms},
    Stage.ENRICHED: {"provenance_present": audits.contacts_have_provenance},
    Stage.ANALYZED: {"schema_valid": audits.evidence_conforms},
    Stage.SCORED: {"schema_valid": audits.evidence_conforms, "score_recompute": audits.scores_recompute},
    Stage.SYNCED: {
        "plan_matches_approval": sync_audits.plan_matches_approval,
        "rows_accounted": sync_audits.plan_rows_accounted,
        "never_suppressed": sync_audits.never_suppressed,
    },
}
_OF_THE_PLAN: Mapping[str, audits.Audit] = {
    "stages_hold": audits.earlier_stages_hold,
    "ledger_balanced": audits.ledger_reconciles,
}


def batch_checks() -> list[CheckOf]:
    """Every audit of a batch, on the asset whose leads it is about."""
    statements = [
        _audit_on(asset, stage, name, audit)
        for stage, asset in STAGE_ASSETS.items()
        for name, audit in {"outcomes_complete": audits.outcomes_add_up, **_OF_STAGES[stage]}.items()
    ]
    statements += [_audit_on(crm_sync_plan, Stage.SCORED, name, audit) for name, audit in _OF_THE_PLAN.items()]
    return [
        *statements,
        _audit_on(screened_leads, Stage.SCREENED, "yield_in_bounds", audits.yield_in_bounds, blocking=False),
    ]


def _audit_on(
    asset: dg.AssetsDefinition, stage: Stage, name: str, audit: audits.Audit, *, blocking: bool = True
) -> CheckOf:
    look = partial(_audited, audit=audit, stage=stage, is_error=blocking)
    return CheckOf(name=name, asset=asset, about=audit.__doc__, look=look, blocking=blocking)


def _audited(database: Database, key: str, *, audit: audits.Audit, stage: Stage, is_error: bool) -> CheckVerdict:
    with database.read() as connection:
        suppression_key = Settings.from_environment().suppression_key
        batch = audited_batch(connection, key, suppression_key=suppression_key)
        verdict = audit(connection, batch, stage)
    return CheckVerdict(
        passed=verdict.holds, is_error=is_error, sentence=verdict.sentence, figures={"batch": key, **verdict.figures}
    )
