"""Every platform from discovery to scored against the sandbox, in order, with the facts each stage must carry on."""

import pytest

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from tests.platforms.runs import Bench, discovered, next_works, run

FILTERS = {
    "instagram": {"max_results": 25, "hashtags": ["yoga"]},
    "patreon": {"search_keywords": ["hiking"], "location": "", "max_results": 25},
    "facebook": {"keywords": ["hiking"], "max_results": 25},
}


@pytest.mark.parametrize("key", list(PLATFORMS))
async def test_a_search_goes_from_discovery_to_scores(key: str, bench: Bench) -> None:
    chosen = platform(key)
    context = bench.context(chosen, FILTERS[key])
    works = await discovered(chosen, context, limit=25)
    assert len(works) > 5
    for stage in (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED):
        process = {
            Stage.SCREENED: chosen.screen, Stage.ENRICHED: chosen.enrich, Stage.ANALYZED: chosen.analyze,
            Stage.SCORED: chosen.score,
        }[stage]  # fmt: skip
        results = await run(process, works, context)
        assert set(results) == {work.uid for work in works}
        works = next_works(works, results)
    assert any(result.score and result.score.tier for result in results.values())
