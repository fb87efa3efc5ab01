"""The lowest tier that a person lets into the CRM for a batch: who is below it is left out of its plans (spec 15.2)."""

from collections.abc import Sequence

from socialanalyzer_dagster.domain.outcomes import rejected
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.crm_comparison import Draft
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.plan_ends import give_back
from socialanalyzer_dagster.storage import outcomes, sync_plans
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite


def tiers_of(policy: Policy) -> list[str]:
    """The tiers of a policy, the highest first."""
    return list(dict.fromkeys(row.tier for row in policy.tiers.rows))


def above_floor(batch: OpenBatch, drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts that a plan may hold; a lead whose tier nobody knows is kept."""
    tiers, floor = tiers_of(batch.policy), batch.row.tier_floor
    if floor not in tiers:
        return list(drafts)
    below = tiers[tiers.index(floor) + 1 :]
    return [draft for draft in drafts if draft.row.tier not in below]


def leave_out_below(batch: OpenBatch, drafts: Sequence[Draft]) -> list[Draft]:
    """The same, and the leads of the others end at synced as taken out by the person who approved."""
    kept = above_floor(batch, drafts)
    below = {draft.row.uid for draft in drafts} - {draft.row.uid for draft in kept}
    now, outcome = batch.workplace.clock.now(), rejected(Stage.SYNCED, "excluded_by_approver", because="tier_floor")
    writes = [
        OutcomeWrite(lead=uid, outcome=outcome, evidence_ids=(), started_at=now, finished_at=now) for uid in below
    ]
    with batch.workplace.database.write() as connection:
        for part in parts(writes):
            outcomes.write_outcomes(connection, batch.of(Stage.SYNCED), part)
        if below and (plan := sync_plans.newest_plan(connection, batch.row.batch_id)) is not None:
            give_back(connection, plan, below)
    return kept
