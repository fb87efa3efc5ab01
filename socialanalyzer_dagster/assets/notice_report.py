"""The `notice_report` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.privacy_work import GROUP, counts_metadata
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.pipeline.notices import notice_report as report
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python"}, tags={"spends": "no"}, code_version=CODE_VERSION)
def notice_report(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """How many people should have been told by now where their data comes from, and were not.

    A notice is due 30 days after collection or with the first contact, whichever is earlier. `socialanalyzer privacy
    notices` lists the leads; `socialanalyzer privacy notice LEAD --by NAME` records one.
    """
    with pipeline.workplace(context.instance) as workplace:
        counts = report(workplace.database, workplace.clock.now())
    return dg.MaterializeResult(metadata=counts_metadata(counts))
