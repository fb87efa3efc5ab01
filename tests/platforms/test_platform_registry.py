"""The registry: three platforms, eighteen declared stages, clear errors."""

from dataclasses import replace
from functools import reduce

import pytest

from socialanalyzer_dagster.domain.leads import AudienceKind, LeadRecord
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import STAGES, PlatformKey, Stage
from socialanalyzer_dagster.platforms.evidence_kinds import EVIDENCE_SCHEMAS, STEP_LETTERS, step_finds
from socialanalyzer_dagster.platforms.registry import PLATFORMS, UnknownPlatform, platform, registered


def test_there_are_eighteen_declared_stages() -> None:
    pairs = [(key, stage) for key, each in PLATFORMS.items() for stage in each.adapters]
    assert len(pairs) == 18
    assert len({each.adapters[stage].name for each in PLATFORMS.values() for stage in STAGES}) == 18


def test_a_platform_that_lacks_a_stage_is_refused_at_load() -> None:
    whole = platform("patreon")
    without = {stage: adapter for stage, adapter in whole.adapters.items() if stage is not Stage.SYNCED}
    with pytest.raises(ValueError, match=r"patreon.*synced"):
        registered(replace(whole, adapters=without))


def test_two_platforms_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="patreon"):
        registered(platform("patreon"), platform("patreon"))


def test_an_unknown_platform_lists_what_exists() -> None:
    with pytest.raises(UnknownPlatform, match="instagram, patreon, facebook"):
        platform("myspace")


@pytest.mark.parametrize("key", list(PLATFORMS))
def test_unit_prices_stand_in_the_policy_where_the_declaration_says(key: str, policy: Policy) -> None:
    document = policy.document()
    for stage, adapter in platform(key).adapters.items():
        if stage is not Stage.SYNCED:
            assert reduce(lambda part, name: part[name], adapter.unit_price_key.split("."), document)


def test_keywords_are_read_from_filters_and_ideas_go_into_one_of_them() -> None:
    for each in PLATFORMS.values():
        assert set(each.keywords.read) <= set(each.filter_model.model_fields)
        assert each.keywords.ideas in each.keywords.read
        assert each.filter_model.model_fields[each.keywords.ideas].annotation == list[str]


def test_every_expected_yield_is_a_share_of_every_stage() -> None:
    for each in PLATFORMS.values():
        assert set(each.expected_yield) == set(STAGES)
        assert all(0 < share <= 1 for share in each.expected_yield.values())


def test_every_step_has_a_shape_for_its_evidence() -> None:
    assert {step_finds(letter) for letter in STEP_LETTERS} <= set(EVIDENCE_SCHEMAS)


@pytest.mark.parametrize(
    ("key", "kind", "expected"),
    [
        ("instagram", AudienceKind.FOLLOWERS, {"flagship_social_platform": "instagram", "instagram_followers": "0"}),
        ("patreon", AudienceKind.PATRONS, {"flagship_social_platform": "patreon", "total_patrons": "0"}),
        ("facebook", AudienceKind.MEMBERS, {"flagship_social_platform": "facebook_group", "facebook_group_size": "0"}),
    ],
)
def test_crm_properties_send_known_zeros_and_leave_unknown_out(
    key: str, kind: AudienceKind, expected: dict[str, str]
) -> None:
    record = LeadRecord(
        platform=PlatformKey(key), platform_id="a", handle="a", profile_url="https://x.test/a", audience_size=0,
        audience_kind=kind,
    )  # fmt: skip
    properties = platform(key).crm_properties(record)
    assert {name: properties[name] for name in expected} == expected
    assert all(value is None or value for value in properties.values())
