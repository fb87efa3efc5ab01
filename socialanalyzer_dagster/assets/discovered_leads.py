"""The `discovered_leads` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, BatchLaunch, bring_up_to_date
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python"},
    tags={"stage": "discovered", "spends": "yes"},
    code_version=CODE_VERSION,
)
def discovered_leads(
    context: dg.AssetExecutionContext, config: BatchLaunch, pipeline: PipelineResource
) -> dg.MaterializeResult[None]:
    """Accounts a search found, one row per lead of the batch.

    Every item the vendor returned is accounted for. A lead we judged lately, another batch works on, or the CRM
    already has is stored with that reason and goes no further. Materializing again pays nothing twice.
    """
    return bring_up_to_date(context, pipeline, Stage.DISCOVERED, config)
