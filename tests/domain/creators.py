"""Invented creators for tests of the domain."""

from typing import Any

from socialanalyzer_dagster.domain.leads import LeadRecord

SECRET = b"a secret of this installation only"


def creator(**changes: Any) -> LeadRecord:
    known = {
        "platform": "instagram",
        "platform_id": "mara.walks",
        "handle": "mara.walks",
        "profile_url": "https://www.instagram.com/mara.walks",
        "display_name": "Mara Lind",
        "bio": "Slow hikes and long breakfasts.\nJoin my letter: marawalks.test",
        "audience_size": 81_234,
        "audience_kind": "followers",
        "links": {"youtube": "https://www.youtube.com/@marawalks", "personal_website": "https://marawalks.test"},
    }
    return LeadRecord.model_validate({**known, **changes})


def triage_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "decision": "continue",
        "reject_code": None,
        "confidence": 0.9,
        "reasoning": "Hiking with a clear personal voice.",
        "selected_content_indices": [0, 4, 2],
    }
    return {**known, **changes}


def item_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "summary": "A walk along the coast in the rain. The creator laughs about wet boots and asks for tips.",
        "niche_theme": "slow hiking",
        "shows_pov": True,
        "shows_authenticity": True,
        "shows_vulnerability": False,
        "facilitates_engagement": True,
        "event_promotion": False,
    }
    return {**known, **changes}


def bio_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "niche_signals": {"niche_identified": True, "niche_description": "slow hiking", "confidence": 0.9},
        "in_person_events": {"evidence_found": True, "event_types": ["hiking weekend"], "confidence": 0.7},
        "community_platforms": {"evidence_found": True, "platforms": ["email_list", "discord"], "confidence": 1},
        "monetization": {"evidence_found": False, "types": [], "confidence": 0.4},
        "quotes": ["Join my letter"],
    }
    return {**known, **changes}


def caption_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "in_person_events": {"evidence_found": True, "mention_count": 2, "confidence": 0.8},
        "community_platforms": {"evidence_found": False, "mention_count": 0, "confidence": 0.6},
        "audience_engagement": {"asks_questions": True, "question_count": 5, "confidence": 0.9},
        "authenticity_vulnerability": {
            "shares_personal_details": True,
            "shows_vulnerability": False,
            "degree": 0.7,
            "post_count": 4,
        },
        "quotes": None,
    }
    return {**known, **changes}


def grid_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "creator_visibility": {"visible_in_content": True, "frequency": "some", "confidence": 0.8},
        "niche_consistency": {"consistent_theme": True, "niche_description": "paths and boots", "confidence": 0.8},
        "event_promotion": {"evidence_found": False, "post_count": 0, "confidence": 0.7},
        "audience_engagement_cues": {"invitational_language": True, "post_count": 1, "confidence": 0.5},
    }
    return {**known, **changes}


def profile_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "content_category": "slow hiking",
        "primary_category": "outdoor_adventure",
        "content_types": "Short films and photo diaries of walks.",
        "audience_engagement": "Answers most questions in a friendly way.",
        "creator_presence": "Speaks to the camera on nearly every walk.",
        "monetization": "A paid letter and two hiking weekends a year.",
        "community_building": "Readers walk together in small groups.",
    }
    return {**known, **changes}


def score_answer(**changes: Any) -> dict[str, Any]:
    known = {
        "niche_and_audience_identity": 0.8,
        "creator_authenticity_and_presence": 0.7,
        "monetization_and_business_mindset": 0.6,
        "community_infrastructure": 0.5,
        "engagement_and_connection": 0.4,
        "score_reasoning": "Walks already happen in groups; income is small so far.",
    }
    return {**known, **changes}
