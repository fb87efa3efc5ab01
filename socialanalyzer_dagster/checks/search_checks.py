"""The asset check of the saved searches."""

import dagster as dg

from socialanalyzer_dagster.assets.saved_searches import saved_searches, used_up
from socialanalyzer_dagster.domain.search_health import advice
from socialanalyzer_dagster.pipeline.saved_searches import search_healths
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset_check(asset=saved_searches, description="Every saved search still finds leads that nobody knew.")
def no_search_is_used_up(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Warns while one does not, and says what to change."""
    with pipeline.workplace(context.instance) as workplace:
        every = search_healths(workplace)
    stale = used_up(every)
    names = ", ".join(f"{each.name} ({each.platform})" for each in stale)
    return dg.AssetCheckResult(
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Used up: {names}." if stale else f"None of {len(every)} saved searches is used up.",
        metadata={f"{each.platform}: {each.name}": advice(each, every) for each in stale},
    )
