"""The `saved_searches` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.domain.search_health import SearchHealth, health_markdown
from socialanalyzer_dagster.pipeline.saved_searches import Looked, look_after
from socialanalyzer_dagster.resources.pipeline import PipelineResource

GROUP = "searches"


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python"}, tags={"spends": "no"}, code_version=CODE_VERSION)
def saved_searches(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """How fresh every saved search still is, and what to change in those that are used up.

    A search is used up when too little (`novelty.stale_below`, a fifth) of what its newest complete run found was new.
    The daily plan passes it over until its filters are changed. The share of new leads of each is plotted over time.
    """
    with pipeline.workplace(context.instance) as workplace:
        looked = look_after(workplace)
    for name in looked.newly_flagged:
        context.log.warning(f"{name} is used up: the daily plan passes it over until it is changed")
    return dg.MaterializeResult(metadata=_metadata(looked))


def used_up(every: tuple[SearchHealth, ...]) -> list[SearchHealth]:
    """The searches that need a person."""
    return [each for each in every if each.is_stale]


def _metadata(looked: Looked) -> dict[str, dg.MetadataValue]:
    return {
        "searches": dg.MetadataValue.md(health_markdown(looked.every)),
        "saved": dg.MetadataValue.int(len(looked.every)),
        "used_up": dg.MetadataValue.int(len(used_up(looked.every))),
        "newly_used_up": dg.MetadataValue.int(len(looked.newly_flagged)),
        **{
            f"new share of {each.name} ({each.platform})": dg.MetadataValue.float(each.novelty)
            for each in looked.every
            if each.novelty is not None
        },
    }
