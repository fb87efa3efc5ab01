"""What the server of warm processes has done before any of them begins: whatever each would do once on its way."""

import dagster as dg

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.commands.runs import job_named
from socialanalyzer_dagster.domain.hosts import registered_domain
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.pipeline.collector import spare_collector
from tests.alembic_revisions import keep_revisions
from tests.cores import run_anywhere
from tests.dagster_engines import share_engines

run_anywhere()
cli.program()
for job in ("lead_batch_job", "crm_sync_job"):
    job_named(job).get_job_snapshot()
shipped_policy(INSTANT_POLICY)
keep_revisions()
with dg.DagsterInstance.local_temp() as instance:
    instance.get_runs_count()  # reads Dagster's revisions
share_engines()
registered_domain("https://example.com")  # reads the list of public suffixes
spare_collector()
