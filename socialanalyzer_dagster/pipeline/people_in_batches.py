"""Taking a person out of batches: outcomes become rejected(suppressed), open plans are made again (spec 19.4)."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.outcomes import rejected
from socialanalyzer_dagster.domain.types import STAGES, LeadUid, Stage
from socialanalyzer_dagster.pipeline import plan_ends
from socialanalyzer_dagster.pipeline.batch_finish import stage_of
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile
from socialanalyzer_dagster.pipeline.crm_sync import queue_again
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, claims, outcomes, sync_plans
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite
from socialanalyzer_dagster.storage.standings import Standing, standings
from socialanalyzer_dagster.storage.sync_plans import PlanState

_TRIES = 10
_SUPPRESSED = "suppressed"


def withdraw(workplace: Workplace, leads: Sequence[LeadUid]) -> int:
    """End the way of these leads in every batch that could go on with them; returns how many ways ended.

    The open plan of such a batch is superseded, and the batch is queued for a new one: a plan without a person is
    another plan, which must be approved again (I-23). A plan that is being written stays: its run leaves out whoever is
    listed before every call (spec 19.2). Raises ChangedMeanwhile when a batch keeps changing.
    """
    if not leads:
        return 0
    with workplace.database.read() as connection:
        found = standings(connection, leads)
    by_batch: dict[str, list[Standing]] = defaultdict(list)
    for each in found:
        by_batch[each.batch_id].append(each)
    return sum(_withdraw_from(workplace, batch_id, leads) for batch_id in by_batch)


def _withdraw_from(workplace: Workplace, batch_id: str, leads: Sequence[LeadUid]) -> int:
    for _ in range(_TRIES):
        try:
            with workplace.database.write() as connection:
                batch = batches.batch_by_id(connection, batch_id)
                if batch is None:
                    return 0
                own = [each for each in standings(connection, leads) if each.batch_id == batch_id]
                ended = _end_ways(connection, batch, own, workplace)
                claims.drop_claims(connection, batch_id, leads)
                _supersede_plan(connection, workplace, batch, leads)
                return ended
        except ChangedMeanwhile:
            continue
    raise ChangedMeanwhile(f"batch {batch_id} keeps changing")


def _end_ways(connection: Connection, batch: Batch, own: Sequence[Standing], workplace: Workplace) -> int:
    now = workplace.clock.now()
    ended = 0
    for stage in STAGES[1:]:
        leads = [each.lead for each in own if _next_stage(each) is stage]
        if leads:
            outcome = rejected(stage, _SUPPRESSED)
            outcomes.write_outcomes(
                connection,
                stage_of(batch, stage),
                [
                    OutcomeWrite(lead=lead, outcome=outcome, evidence_ids=(), started_at=now, finished_at=now)
                    for lead in leads
                ],
            )
            ended += len(leads)
    return ended


def _next_stage(standing: Standing) -> Stage | None:
    """Where the lead would be worked on next; None when its way has ended, or is still at discovered."""
    if standing.goes_on:
        following = STAGES[STAGES.index(standing.stage) + 1 :]
        return following[0] if following else None
    return standing.stage if standing.retryable and standing.stage is not Stage.DISCOVERED else None


def _supersede_plan(connection: Connection, workplace: Workplace, batch: Batch, leads: Sequence[LeadUid]) -> None:
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    if plan is None or plan.state != PlanState.OPEN or batch.status == BatchStatus.SYNCING:
        return
    if set(leads).isdisjoint(sync_plans.planned_leads(connection, plan.plan_id)):
        return
    plan_ends.give_back(connection, plan, leads)
    sync_plans.change_plan_state(connection, plan.plan_id, to=PlanState.SUPERSEDED)
    if batch.status == BatchStatus.AWAITING_APPROVAL:
        queue_again(connection, workplace, batch)
