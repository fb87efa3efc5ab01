"""What the server of warm processes has done before any of them begins: whatever each would do once on its way."""

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.pipeline.collector import spare_collector
from tests.dagster_engines import share_engines

cli.program()
shipped_policy(INSTANT_POLICY)
share_engines()
spare_collector()
