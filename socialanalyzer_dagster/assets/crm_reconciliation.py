"""The `crm_reconciliation` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.interrupts import run_settling
from socialanalyzer_dagster.assets.plan_metadata import counts_table
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable, Refusal
from socialanalyzer_dagster.pipeline.crm_reconcile import ReconcileReport, reconcile
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    group_name="crm",
    owners=OWNERS,
    kinds={"python", "hubspot"},
    tags={"spends": "no"},
    code_version=CODE_VERSION,
)
def crm_reconciliation(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """What became of our contacts in the CRM, read back daily: owner, merges, edits, opt-outs and outcomes.

    Nothing is written to the CRM. Whoever opted out there goes onto the suppression list, as keyed hash. It says how
    things stand now, so there is nothing to partition or to fill in afterwards.
    """

    async def read_back() -> ReconcileReport:
        with pipeline.workplace(context.instance) as workplace:
            async with pipeline.vendors.hubspot.opened() as hubspot:
                if hubspot is None:
                    raise ProviderUnavailable("hubspot", "not_configured")
                return await reconcile(workplace, hubspot, pipeline.suppression_key)

    try:
        report = run_settling(read_back)
    except (CallFailed, Refusal) as error:
        raise dg.Failure(f"the CRM could not be read back: {error}", allow_retries=False) from error
    context.log.info(report.sentence)
    return dg.MaterializeResult(metadata=_metadata(report))


def _metadata(report: ReconcileReport) -> dict[str, dg.MetadataValue]:
    figures = {
        "contacts": report.contacts,
        "merged": report.merged,
        "deleted": report.deleted,
        "owners_changed": report.owners_changed,
        "opted_out": report.opted_out,
        "edited": report.edited,
        "first_contacts": report.first_contacts,
    }
    shown: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(number) for name, number in figures.items()}
    return {**shown, "outcomes": dg.MetadataValue.md(counts_table("outcome", report.outcomes))}
