"""The `suppression_recheck` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.privacy_work import GROUP, counts_metadata, with_parts
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.pipeline.suppression_recheck import recheck
from socialanalyzer_dagster.resources.privacy import PrivacyResource


@dg.asset(
    group_name=GROUP, owners=OWNERS, kinds={"python", "hubspot"}, tags={"spends": "no"}, code_version=CODE_VERSION
)
def suppression_recheck(context: dg.AssetExecutionContext, privacy: PrivacyResource) -> dg.MaterializeResult[None]:
    """Compares everybody who is stored with the suppression list: an objection takes effect within a day everywhere.

    Leads of listed people end as rejected(suppressed) in open batches, open CRM plans are made again without them, and
    their CRM contacts say `email_outreach: not_allowed`. Somebody who was erased and is stored again is erased again.
    """
    counts = with_parts(context.instance, privacy, recheck)
    return dg.MaterializeResult(metadata=counts_metadata(counts))
