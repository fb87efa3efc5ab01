"""The asset check that shows the health of the vendors beside the plan of a batch."""

from datetime import UTC, datetime

import dagster as dg

from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.checks.check_groups import CheckOf, CheckVerdict
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.vendor_health import COLUMNS, health_rows, is_healthy, vendor_health
from socialanalyzer_dagster.storage.database import Database


def provider_checks() -> list[CheckOf]:
    """Whether every vendor can be called, beside the plan."""
    return [
        CheckOf(
            name=providers_healthy.__name__,
            asset=crm_sync_plan,
            about=providers_healthy.__doc__,
            look=providers_healthy,
            blocking=False,
        )
    ]


def providers_healthy(database: Database, _key: str) -> CheckVerdict:
    """No vendor is red: no breaker is open, and enough calls of the last 15 minutes succeeded."""
    policy = active_policy(database)
    with database.read() as connection:
        health = vendor_health(connection, policy, datetime.now(UTC))
    rows = [COLUMNS, ("---",) * len(COLUMNS), *health_rows(health)]
    table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
    return CheckVerdict(passed=is_healthy(health), figures={"vendors": dg.MetadataValue.md(table)})
