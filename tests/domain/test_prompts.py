"""Prompts: instructions from the policy, creators' words only as delimited data (spec 7.3, 9.1, 10.1, I-67)."""

import hashlib
import hmac
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain import lead_prompts
from socialanalyzer_dagster.domain.batch_stories import batch_story_prompt
from socialanalyzer_dagster.domain.category_examples import shipped_examples
from socialanalyzer_dagster.domain.content_judgements import (
    BioEvidence,
    CaptionEvidence,
    ContentItemJudgement,
    CreatorProfile,
    GridEvidence,
)
from socialanalyzer_dagster.domain.engagement import EngagementMetrics
from socialanalyzer_dagster.domain.evidence_blocks import (
    AnalyzedItem,
    ScoringMaterial,
    foreign_evidence,
    observed_blocks,
)
from socialanalyzer_dagster.domain.judgements import InvalidAnswer, Violation
from socialanalyzer_dagster.domain.keyword_ideas import keyword_ideas_prompt
from socialanalyzer_dagster.domain.leads import Evidence, LeadRecord
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy
from socialanalyzer_dagster.domain.prompts import PromptText, PromptWriter, boundary, repair_text, slot_texts
from socialanalyzer_dagster.domain.score_prompts import score_prompt, without_audience_counts
from socialanalyzer_dagster.domain.types import PlatformKey, lead_uid
from socialanalyzer_dagster.platforms.facebook_judgement import (
    FacebookProfile,
    facebook_blocks,
    facebook_profile_prompt,
)
from socialanalyzer_dagster.platforms.patreon_judgement import PatreonProfile, patreon_blocks, patreon_profile_prompt
from tests.domain import creators
from tests.domain.creators import SECRET, creator
from tests.domain.injections import INJECTIONS


@pytest.fixture
def writer(policy: Policy) -> PromptWriter:
    return PromptWriter(policy, SECRET)


def patreon_profile(**changes: object) -> PatreonProfile:
    known = {
        "niche_description": "slow hiking",
        "primary_category": "outdoor_adventure",
        "audience_type": "identity",
        "community_signals": ["monthly call"],
        "monetization_sophistication": "medium",
        "event_evidence": {"evidence_found": True, "event_types": ["walk"]},
        "authenticity_score": None,
        "overall_assessment": "A warm host of a small circle that already walks together.",
        "quotes": None,
    }
    return PatreonProfile.model_validate({**known, **changes})


def facebook_profile() -> FacebookProfile:
    return FacebookProfile(
        niche_description="hikers of one valley",
        primary_category="outdoor_adventure",
        community_health="healthy",
        travel_relevance="high",
        engagement_level="medium",
        admin_identifiable=True,
        overall_assessment="Members of a group of 12,400 members plan walks with each other.",
        quotes=None,
    )


def item(**changes: object) -> AnalyzedItem:
    known = {
        "judgement": ContentItemJudgement.model_validate(creators.item_answer()),
        "type": "IMAGE",
        "url": None,
        "description": None,
        "is_pinned": False,
        "likes_and_views_disabled": False,
        "likes": 10,
        "comments": None,
        "transcript_missing": False,
    }
    return AnalyzedItem.model_validate({**known, **changes})


def material(record: LeadRecord, **changes: object) -> ScoringMaterial:
    known = {
        "record": record,
        "category": "outdoor_adventure",
        "blocks": observed_blocks(
            bio=BioEvidence.model_validate(creators.bio_answer()),
            captions=CaptionEvidence.model_validate(creators.caption_answer()),
            grid=GridEvidence.model_validate(creators.grid_answer()),
            metrics=EngagementMetrics(
                posts_above_threshold=4,
                posts_below_threshold=2,
                posts_mixed=1,
                posts_hidden=1,
                posts_unknown=0,
                posts_analyzed=8,
            ),
        ),
        "items": (item(),),
        "profile": CreatorProfile.model_validate(creators.profile_answer()),
    }
    return ScoringMaterial(**{**known, **changes})


def scored(writer: PromptWriter, record: LeadRecord, **changes: object) -> PromptText:
    examples = shipped_examples(writer.policy.categories.labels)
    return score_prompt(writer, material(record, **changes), examples)


PROMPTS: dict[str, Callable[[PromptWriter, LeadRecord, str], PromptText]] = {
    "triage_v1": lambda w, r, text: lead_prompts.triage_prompt(w, r, thumbnails_shown=10),
    "text_triage_v1": lambda w, r, text: lead_prompts.text_triage_prompt(w, r),
    "content_item_v1": lambda w, r, text: lead_prompts.content_item_prompt(
        w, r, lead_prompts.ItemText(caption=text, transcript=text, is_video=True)
    ),
    "bio_evidence_v1": lambda w, r, text: lead_prompts.bio_evidence_prompt(w, r),
    "caption_evidence_v1": lambda w, r, text: lead_prompts.caption_evidence_prompt(w, r, [text, None, text]),
    "grid_evidence_v1": lambda w, r, text: lead_prompts.grid_evidence_prompt(w, r, thumbnails_shown=12),
    "creator_profile_v1": lambda w, r, text: lead_prompts.creator_profile_prompt(
        w, r, summaries=[text], captions=[text]
    ),
    "patreon_profile_v1": lambda w, r, text: patreon_profile_prompt(w, r, has_email=True),
    "facebook_profile_v1": lambda w, r, text: facebook_profile_prompt(w, r),
    "lead_score_v1": lambda w, r, text: scored(w, r, assessment=text),
    "salutation_v1": lambda w, r, text: lead_prompts.salutation_prompt(w, r, content=text),
    "keyword_ideas_v1": lambda w, r, text: keyword_ideas_prompt(w, r.platform, [text]),
    "batch_story_v1": lambda w, r, text: batch_story_prompt(w, r.platform, [text]),
}
OF_NOBODY = {"keyword_ideas_v1": "keyword: 1 shown", "batch_story_v1": "sentence: 1 shown"}


def hostile(text: str) -> LeadRecord:
    return creator(display_name=text, bio=text, search_title=text, search_snippet=text)


def code_of(prompt: PromptText) -> str:
    opening = prompt.user.splitlines()[1]
    return opening.removeprefix("=== data begins ").removesuffix(" ===")


@pytest.mark.parametrize("prompt_id", PROMPTS)
def test_the_policy_says_how_a_prompt_is_asked(policy: Policy, writer: PromptWriter, prompt_id: str) -> None:
    prompt, said = PROMPTS[prompt_id](writer, creator(), "hello"), policy.prompts[prompt_id]
    assert (prompt.prompt_id, prompt.version) == (prompt_id, said.version)
    assert (prompt.max_output_tokens, prompt.temperature) == (said.max_output_tokens, said.temperature)
    assert prompt.model == getattr(policy.models, said.model)
    assert prompt.system.endswith(policy.llm.standing_instruction)


def test_every_prompt_of_the_policy_is_asked_by_code(policy: Policy) -> None:
    assert set(policy.prompts) == set(PROMPTS)


@pytest.mark.parametrize("prompt_id", PROMPTS)
def test_an_injected_text_changes_no_instruction_and_forges_no_boundary(writer: PromptWriter, prompt_id: str) -> None:
    harmless = PROMPTS[prompt_id](writer, creator(), "hello")
    whose = OF_NOBODY.get(prompt_id, "handle: mara.walks")
    for text in INJECTIONS.values():
        prompt = PROMPTS[prompt_id](writer, hostile(text), text)
        code = code_of(prompt)
        assert prompt.system == harmless.system
        assert len(code) >= 16
        assert code not in text.casefold()
        assert (code != code_of(harmless)) is (prompt.fingerprint_user != harmless.fingerprint_user)
        lines = prompt.user.split("\n")
        assert lines[0] == harmless.user.split("\n")[0]
        assert lines[1] == f"=== data begins {code} ==="
        assert lines[2:4] == ["platform: instagram", whose]
        assert lines[-1] == f"=== data ends {code} ==="
        assert [line for line in lines if line.startswith("=== data") and code in line] == [lines[1], lines[-1]]


@pytest.mark.parametrize("prompt_id", PROMPTS)
@given(text=st.text(max_size=300))
def test_no_text_at_all_breaks_a_prompt(policy: Policy, prompt_id: str, text: str) -> None:
    prompt = PROMPTS[prompt_id](PromptWriter(policy, SECRET), hostile(text), text)
    assert prompt.user.count(f"=== data begins {code_of(prompt)} ===") == 1
    prompt.user.encode()
    assert "\x00" not in prompt.user


def test_the_boundary_is_an_hmac_of_prompt_and_content(writer: PromptWriter) -> None:
    prompt = lead_prompts.bio_evidence_prompt(writer, creator())
    content = hashlib.sha256(prompt.fingerprint_user.encode()).hexdigest()
    expected = hmac.new(SECRET, f"bio_evidence_v1:{content}".encode(), hashlib.sha256).hexdigest()
    assert code_of(prompt) == expected[:16]


def test_the_boundary_grows_until_the_text_does_not_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        def hexdigest(self) -> str:
            return "ab" * 32

    monkeypatch.setattr("socialanalyzer_dagster.domain.prompts.hmac.new", lambda *_: Fixed())
    assert boundary("p", "harmless", SECRET) == "ab" * 8
    assert boundary("p", "x" + "ab" * 9 + "x", SECRET) == "ab" * 9 + "a"
    assert boundary("p", "AB" * 9, SECRET) == "ab" * 9 + "a"
    assert boundary("p", "ab" * 40, SECRET) == "ab" * 40 + "a"


def test_the_fingerprint_holds_no_secret_and_is_the_same_in_every_installation(policy: Policy) -> None:
    one = lead_prompts.bio_evidence_prompt(PromptWriter(policy, b"1" * 32), creator())
    two = lead_prompts.bio_evidence_prompt(PromptWriter(policy, b"2" * 32), creator())
    assert one.user != two.user
    assert one.fingerprint_user == two.fingerprint_user
    assert one.user.replace(code_of(one), "0" * 16) == one.fingerprint_user


def test_a_handle_stays_on_its_line(writer: PromptWriter) -> None:
    prompt = lead_prompts.bio_evidence_prompt(writer, creator(handle="a\nhandle: b\u2028c\x85d"))
    assert prompt.user.split("\n")[3] == "handle: a handle: b c d"
    assert prompt.user.split("\n")[4].startswith("--- bio begins")


def test_the_lists_of_triage_come_from_the_policy(policy: Policy, writer: PromptWriter) -> None:
    system = lead_prompts.triage_prompt(writer, creator(), thumbnails_shown=10).system
    for key, text in policy.screening.reject_topics.items():
        assert f"- topic_{key}: {text}" in system
    for key, text in policy.screening.reject_profiles.items():
        assert f"- profile_{key}: {text}" in system
    for text in policy.screening.never_reject:
        assert f"- {text}" in system
    assert "$" not in system


def test_categories_come_from_the_policy(policy: Policy, writer: PromptWriter) -> None:
    system = PROMPTS["creator_profile_v1"](writer, creator(), "hello").system
    assert all(key in system for key in policy.categories.labels)


@pytest.mark.parametrize("text", ["costs $5", "$nobody_knows_this", "${broken"])
def test_an_instruction_with_an_unknown_name_is_refused_at_load(policy: Policy, text: str) -> None:
    document = policy.document()
    document["prompts"]["triage_v1"]["instructions"] = f"Decide whether this fits. {text}"
    with pytest.raises(PolicyError, match="instructions"):
        parse_policy(document)


def test_a_policy_without_a_prompt_is_refused_at_load(policy: Policy) -> None:
    document = policy.document()
    del document["prompts"]["lead_score_v1"]
    with pytest.raises(PolicyError, match="prompts lacks lead_score_v1"):
        parse_policy(document)


def test_texts_are_cut_to_the_lengths_of_the_policy(policy: Policy, writer: PromptWriter) -> None:
    llm = policy.llm
    long = "ж" * 9000
    record = creator(bio=long)
    assert PROMPTS["bio_evidence_v1"](writer, record, "").user.count("ж") == llm.bio_chars
    assert PROMPTS["patreon_profile_v1"](writer, record, "").user.count("ж") == llm.about_chars
    captions = lead_prompts.caption_evidence_prompt(writer, creator(), [long] * 20).user
    assert captions.count("ж") == llm.caption_chars * policy.analysis.evidence_items
    salutation = lead_prompts.salutation_prompt(writer, record, content=long).user
    assert salutation.count("ж") == llm.salutation_bio_chars + llm.salutation_content_chars


def test_unknown_is_said_and_never_printed_as_zero(writer: PromptWriter) -> None:
    record = creator(audience_size=None, bio=None, links={})
    prompt = patreon_profile_prompt(writer, record, has_email=False)
    assert "patrons: not known" in prompt.user
    assert "about: not known" in prompt.user
    assert "None" not in prompt.user
    assert ": 0" not in prompt.user


def test_a_short_bio_is_not_worth_a_question(writer: PromptWriter) -> None:
    assert not lead_prompts.bio_is_observable(writer, creator(bio=None))
    assert not lead_prompts.bio_is_observable(writer, creator(bio=" 123456789 "))
    assert lead_prompts.bio_is_observable(writer, creator(bio="1234567890"))


def test_a_caption_keeps_its_number_and_its_line(writer: PromptWriter) -> None:
    prompt = lead_prompts.caption_evidence_prompt(writer, creator(), ["one\ntwo\u2028three", None, 'say "hi"'])
    assert 'caption 1: "one\\ntwo\\nthree"' in prompt.user
    assert 'caption 2: ""' in prompt.user
    assert 'caption 3: "say \\"hi\\""' in prompt.user


def test_the_repair_message_names_every_violation() -> None:
    message = repair_text(
        InvalidAnswer((Violation("confidence", "x", "must be a number"), Violation("", "y", "broken")))
    )
    assert "- confidence: must be a number\n- broken\n" in message


def test_bio_and_links_reach_the_score_prompt_and_the_audience_size_does_not(writer: PromptWriter) -> None:
    record = creator()
    user = scored(writer, record).user
    assert record.bio is not None
    assert record.bio in user
    assert all(url in user for url in record.links.values())
    assert "81234" not in user.replace(",", "")
    assert "posts_above_threshold 4" in user


def test_the_score_prompt_shows_findings_with_frequency_and_confidence(writer: PromptWriter) -> None:
    user = scored(writer, creator()).user
    assert 'in_person_events (bio): evidence_found yes, event_types ["hiking weekend"], confidence 0.7' in user
    assert "in_person_events (captions): evidence_found yes, mention_count 2, confidence 0.8" in user
    assert 'creator_visibility (grid): visible_in_content yes, frequency "some", confidence 0.8' in user
    assert "[shows_pov, shows_authenticity, facilitates_engagement]" in user
    assert "profile monetization: A paid letter and two hiking weekends a year." in user
    assert "travel_relevance: not observed on this platform" in user


def test_a_source_that_was_not_observed_is_said(writer: PromptWriter) -> None:
    blocks = observed_blocks(bio=None, captions=None, grid=None, metrics=None)
    user = scored(writer, creator(bio=None), blocks=blocks, profile=None, items=()).user
    assert "niche (bio): not observed" in user
    assert "engagement_metrics: not observed on this platform" in user
    assert blocks.communities is None


def test_what_a_membership_page_cannot_show_is_not_observed(writer: PromptWriter) -> None:
    user = scored(writer, creator(), blocks=patreon_blocks(patreon_profile())).user
    for block in ("creator_visibility", "audience_engagement", "travel_relevance", "engagement_metrics"):
        assert f"{block}: not observed on this platform" in user
    assert 'niche (membership page): niche_description "slow hiking", audience_type "identity"' in user
    assert 'monetization (membership page): evidence_found yes, level "medium"' in user
    low = patreon_blocks(patreon_profile(monetization_sophistication="low"))
    assert 'evidence_found no, level "low"' in scored(writer, creator(), blocks=low).user


def test_what_a_search_result_cannot_show_is_not_observed(writer: PromptWriter) -> None:
    profile = facebook_profile()
    user = scored(
        writer, creator(), blocks=facebook_blocks(profile), assessment=profile.overall_assessment, profile=None
    ).user
    for block in ("in_person_events", "monetization", "authenticity_degree", "engagement_metrics"):
        assert f"{block}: not observed on this platform" in user
    assert "creator_visibility (search result): admin_identifiable yes" in user
    assert 'travel_relevance (search result): travel_relevance "high"' in user
    assert "a group of [count] members" in user


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12,400 members walk", "[count] members walk"),
        ("1.2M loyal fans", "[count] loyal fans"),
        ("over 120k+ followers", "over [count] followers"),
        ("Followers: 81 234", "Followers: [count] 234"),
        ("3 retreats for 12 people", "3 retreats for 12 people"),
        ("since 2012", "since 2012"),
    ],
)
def test_numbers_that_tell_the_size_of_an_audience_are_taken_out(text: str, shown: str) -> None:
    assert without_audience_counts(text) == shown


def test_the_examples_of_the_category_are_shown_without_their_audience(policy: Policy, writer: PromptWriter) -> None:
    fits = shipped_examples(policy.categories.labels).examples["outdoor_adventure"]
    system = scored(writer, creator()).system
    for example in fits.good_fits:
        assert example.handle in system
        assert example.trip_concept in system
        assert str(example.follower_count) not in system
    for example in fits.bad_fits:
        assert example.why in system
        assert f"trip: {example.trip_concept}" not in system
    unknown = scored(writer, creator(), category="unknown").system
    assert "good fits in this category" not in unknown
    assert "Common to good fits" in unknown


def test_evidence_of_another_lead_is_seen() -> None:
    uid = lead_uid(PlatformKey("instagram"), "mara.walks")
    own = Evidence(lead=uid, kind="triage", body={})
    other = Evidence(lead=lead_uid(PlatformKey("instagram"), "somebody"), kind="triage", body={})
    assert foreign_evidence(uid, [own]) == ()
    assert foreign_evidence(uid, [own, other]) == (other.evidence_id,)


def test_a_policy_asks_the_same_questions_in_whatever_order_its_names_were_kept(policy: Policy) -> None:
    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {key: turned(each) for key, each in reversed(value.items())}
        return value

    document = turned(policy.document())
    assert isinstance(document, dict)
    again = parse_policy(document)
    assert slot_texts(again) == slot_texts(policy)
    assert again.digest == policy.digest
