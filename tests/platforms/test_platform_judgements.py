"""S-8 and S-9: the judgements that only one platform knows (spec 9.4)."""

from typing import Any

import jsonschema
import pytest

from socialanalyzer_dagster.domain.judgements import AnswerSchema, InvalidAnswer, check_answer
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.platforms.facebook_judgement import facebook_profile_schema
from socialanalyzer_dagster.platforms.patreon_judgement import patreon_profile_schema
from tests.domain.creators import creator

PATREON = {
    "niche_description": "knitting from old patterns",
    "primary_category": "art_design",
    "audience_type": "identity",
    "community_signals": ["monthly call"],
    "monetization_sophistication": "medium",
    "event_evidence": {"evidence_found": True, "event_types": ["retreat"]},
    "authenticity_score": None,
    "overall_assessment": "A warm host whose members meet already.",
    "quotes": None,
}
FACEBOOK = {
    "niche_description": "hikers of one valley",
    "primary_category": "outdoor_adventure",
    "community_health": "healthy",
    "travel_relevance": "high",
    "engagement_level": "medium",
    "admin_identifiable": True,
    "overall_assessment": "Members plan their walks with each other.",
    "quotes": ["walks every Sunday"],
}


def named(policy: Policy, name: str) -> tuple[AnswerSchema[Any], dict[str, Any]]:
    if name == "patreon_profile_v1":
        return patreon_profile_schema(creator(), policy), PATREON
    return facebook_profile_schema(creator(), policy), FACEBOOK


@pytest.mark.parametrize("name", ["patreon_profile_v1", "facebook_profile_v1"])
def test_a_good_answer_is_parsed_and_fits_its_strict_schema(policy: Policy, name: str) -> None:
    schema, answer = named(policy, name)
    assert schema.name == name
    assert not isinstance(check_answer(schema, answer), InvalidAnswer)
    jsonschema.validate(answer, schema.json_schema)
    assert schema.json_schema["required"] == list(answer)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("patreon_profile_v1", {"niche_description": "x"}),
        ("patreon_profile_v1", {"niche_description": "x" * 201}),
        ("patreon_profile_v1", {"primary_category": "Art & Design"}),
        ("patreon_profile_v1", {"audience_type": "both"}),
        ("patreon_profile_v1", {"monetization_sophistication": "none"}),
        ("patreon_profile_v1", {"community_signals": ["x"] * 11}),
        ("patreon_profile_v1", {"event_evidence": {"evidence_found": False, "event_types": ["retreat"]}}),
        ("patreon_profile_v1", {"authenticity_score": 1.1}),
        ("patreon_profile_v1", {"authenticity_score": True}),
        ("patreon_profile_v1", {"overall_assessment": "x" * 19}),
        ("patreon_profile_v1", {"overall_assessment": "x" * 801}),
        ("patreon_profile_v1", {"overall_assessment": "She is a devout Catholic and a warm host."}),
        ("facebook_profile_v1", {"community_health": "ok"}),
        ("facebook_profile_v1", {"travel_relevance": None}),
        ("facebook_profile_v1", {"engagement_level": "none"}),
        ("facebook_profile_v1", {"admin_identifiable": "yes"}),
        ("facebook_profile_v1", {"quotes": "walks"}),
    ],
)
def test_an_answer_outside_its_bounds_is_invalid(policy: Policy, name: str, changes: dict[str, Any]) -> None:
    schema, answer = named(policy, name)
    assert isinstance(check_answer(schema, {**answer, **changes}), InvalidAnswer)
