"""The asset check that shows the health of the vendors beside the plan of a batch."""

import warnings
from datetime import UTC, datetime

import dagster as dg

from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.vendor_health import COLUMNS, health_rows, is_healthy, vendor_health
from socialanalyzer_dagster.resources.pipeline import DatabaseResource


def provider_checks() -> list[dg.AssetChecksDefinition]:
    """The check, made in a function because partitioned checks are a preview of Dagster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(asset=crm_sync_plan, partitions_def=LEAD_BATCHES)
        def providers_healthy(database: DatabaseResource) -> dg.AssetCheckResult:
            """No vendor is red: no breaker is open, and enough calls of the last 15 minutes succeeded."""
            with database.opened() as opened:
                policy = active_policy(opened)
                with opened.read() as connection:
                    health = vendor_health(connection, policy, datetime.now(UTC))
            rows = [COLUMNS, ("---",) * len(COLUMNS), *health_rows(health)]
            table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
            return dg.AssetCheckResult(
                passed=is_healthy(health),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"vendors": dg.MetadataValue.md(table)},
            )

    return [providers_healthy]
