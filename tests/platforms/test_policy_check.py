"""A policy must fit the platforms it speaks of (spec 4, I-39)."""

from typing import Any

import pytest

from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.platforms.policy_check import check_platforms
from socialanalyzer_dagster.platforms.registry import PLATFORMS


@pytest.mark.parametrize("name", ["default.yaml", INSTANT_POLICY])
def test_the_shipped_policies_fit(name: str):
    check_platforms(shipped_policy(name), PLATFORMS)


def test_everything_that_a_platform_could_not_use_is_told_at_once():
    document: dict[str, Any] = shipped_policy().document()
    document["search"]["defaults"]["instagram"] |= {"max_budget_usd": 100, "follower_count": {"min": 9, "max": 3}}
    document["discovery"]["fixed"]["facebook"]["pages_per_query"] = "many"
    del document["discovery"]["fixed"]["patreon"]["proxy_groups"]
    with pytest.raises(PolicyError) as refused:
        check_platforms(parse_policy(document), PLATFORMS)
    told = str(refused.value)
    assert "search.defaults.instagram.max_budget_usd: Extra inputs are not permitted; known are: max_results" in told
    assert "search.defaults.instagram.follower_count.max: Value error, the minimum 9 must be below" in told
    assert "discovery.fixed.facebook.pages_per_query: Input should be a valid integer" in told
    assert "discovery.fixed.patreon.proxy_groups: Field required" in told
    assert len(told.splitlines()) == 5


def test_a_document_must_speak_of_every_platform_and_of_no_other():
    document = shipped_policy().document()
    for section in (
        document["search"]["defaults"], document["discovery"]["fixed"], document["enrichment"]["steps"],
        document["budgets"]["batch_default_usd"], document["estimate"]["stage_usd"], document["crm"]["constants"],
        document["rules"]["ladders"],
    ):  # fmt: skip
        section["fakebook"] = section.pop("facebook")
    with pytest.raises(PolicyError, match=r"lacks facebook\n- search.defaults has unknown names: fakebook; known are"):
        check_platforms(parse_policy(document), PLATFORMS)
