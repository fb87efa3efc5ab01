"""What is written to the CRM: mapping, write rules, refusals and the plan's hash (spec 8.6, 11.2, 11.4, 19.3)."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.content_judgements import CreatorProfile
from socialanalyzer_dagster.domain.crm_diff import (
    Action,
    Change,
    CrmContact,
    PlanRow,
    ProposedContact,
    plan_hash,
    plan_row,
    with_bdr,
    without_bdr,
)
from socialanalyzer_dagster.domain.crm_equality import is_equal
from socialanalyzer_dagster.domain.crm_mapping import AnalysisFacts, LeadFacts, Lineage, desired_properties
from socialanalyzer_dagster.domain.crm_properties import TYPES, CrmProperty, ValueKind, WriteRule
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.outcomes import HELD, REJECTED
from socialanalyzer_dagster.domain.outreach import (
    OutreachDecision,
    SubscriberKind,
    country_code,
    email_refusal,
    named_country,
    outreach_decision,
    queue_decision,
)
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs
from socialanalyzer_dagster.domain.scoring import compute_score
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.sandbox.store import Store
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import PropertyBook
from socialanalyzer_dagster.sandbox.vendors.hubspot_values import checked_values
from tests.domain import creators
from tests.domain.creators import creator

COLLECTED = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
ALLOWED = OutreachDecision(country="US", is_assumed=False, email_allowed=True, code=None)
TABLE = {  # spec 11.4: property -> write rule
    "creator_uid": "C", "email": "B", "email_verification_status": "O", "firstname": "B", "first_and_last_name": "B",
    "phone": "B", "website": "B", "twitterhandle": "B", "instagram_handle": "B", "youtube_profile_link": "B",
    "tiktok_handle": "B", "facebook_profile_link": "B", "patreon_link": "B", "pinterest_profile_link": "B", "city": "B",
    "state": "B", "country": "B", "flagship_social_platform": "O", "flagship_social_platform_handle": "O",
    "instagram_bio": "O", "instagram_followers": "O", "average_engagement": "O", "patreon_title": "O",
    "patreon_description": "O", "total_patrons": "O", "paid_patrons": "O", "facebook_group_link": "O",
    "facebook_group_name": "O", "facebook_group_size": "O", "facebook_group_description": "O", "channel": "C",
    "channel_host_prospected": "C", "funnel": "C", "lead_list_fit": "C", "bdr_": "C", "lead_score": "O",
    "manual_score": "O", "follower_boost_applied": "O", "engagement_adjustment_applied": "O",
    "category_penalty_applied": "O", "priority_tier": "O", "expected_precision": "O", "score_reasoning": "O",
    "score_niche_and_audience": "O", "score_host_likeability": "O", "score_monetization": "O",
    "score_community_infrastructure": "O", "score_trip_fit": "O", "content_summary_structured": "O",
    "primary_category": "O", "profile_category": "O", "profile_content_types": "O", "profile_engagement": "O",
    "profile_presence": "O", "profile_monetization": "O", "profile_community_building": "O",
    "has_community_platform": "O", "community_platforms_detected": "O", "items_analyzed": "O", "analyzed_at": "O",
    "enrichment_status": "O", "enrichment_error_details": "O", "lead_batch_id": "O", "policy_version": "O",
    "evidence_link": "O", "contact_source": "O", "hs_legal_basis": "C", "notice_due_at": "C",
}  # fmt: skip


def facts(policy: Policy, **changes) -> LeadFacts:
    answers = dict(zip(DIMENSIONS, map(Decimal, ("0.80", "0.70", "0.60", "0.50", "0.40")), strict=True))
    score = compute_score(
        ScoreInputs(
            platform="instagram",
            answers=(answers,),
            category="entertainment",
            audience_size=81_234,
            posts_above=4,
            posts_below=2,
            posts_hidden=1,
            travel_flag=False,
        ),
        "Walks already happen in groups.",
        policy,
    )
    known = {
        "record": creator(city="Bergen"),
        "values": {"email": "mara@marawalks.test", "twitter": "https://x.com/MaraWalks", "country": "United States"},
        "email_status": EmailStatus.VALID,
        "salutation": "Mara",
        "score": score,
        "analysis": AnalysisFacts(
            category="entertainment",
            profile=CreatorProfile.model_validate(creators.profile_answer()),
            item_summaries=("First item.", "Second item."),
            communities=("discord", "email_list", "other"),
            items_analyzed=3,
            analyzed_at=datetime(2026, 11, 16, 13, 5, 7, 891, tzinfo=UTC),
        ),
        "lineage": Lineage(
            batch_key="2026-11-16.instagram.walks",
            policy_version="1.0.0",
            evidence_link=None,
            contact_source="insightiq, discovery",
            collected_at=COLLECTED,
        ),
        "email_allowed": True,
        "platform_properties": {"instagram_followers": "81234", "instagram_bio": None},
    }
    return LeadFacts(**{**known, **changes})


def proposed(policy: Policy, **changes) -> ProposedContact:
    known = {
        "uid": creator().uid,
        "properties": desired_properties(facts(policy), policy),
        "tier": "standard_review",
        "email_status": EmailStatus.VALID,
        "outreach": ALLOWED,
    }
    return ProposedContact(**{**known, **changes})


def row(policy: Policy, contact: CrmContact | None = None, **changes) -> PlanRow:
    return plan_row(proposed(policy, **changes), contact, properties=crm_properties(policy), policy=policy)


def ours(policy: Policy, **changes: str | None) -> CrmContact:
    return CrmContact(object_id="101", properties={**proposed(policy).properties, **changes}, is_ours=True)


def test_the_table_is_the_one_of_the_specification(policy: Policy) -> None:
    letters = {WriteRule.OURS: "O", WriteRule.IF_BLANK: "B", WriteRule.ON_CREATE: "C"}
    rules = {name: letters[one.rule] for name, one in crm_properties(policy).items()}
    assert {name: rules.get(name) for name in TABLE} == TABLE
    assert set(rules) - set(TABLE) == {"email_outreach"}


def test_values_are_text_and_unknown_facts_are_absent(policy: Policy) -> None:
    desired = desired_properties(facts(policy), policy)
    assert desired["creator_uid"] == creator().uid
    assert (desired["email"], desired["email_verification_status"]) == ("mara@marawalks.test", "valid")
    assert (desired["firstname"], desired["first_and_last_name"]) == ("Mara", "Mara Lind")
    assert (desired["website"], desired["twitterhandle"]) == ("https://marawalks.test", "MaraWalks")
    assert (desired["city"], desired["country"]) == ("Bergen", "United States")
    assert (desired["channel"], desired["channel_host_prospected"]) == ("Outbound", "Phyllo")
    assert (desired["funnel"], desired["lead_list_fit"]) == ("Creator", "Not_reviewed")
    assert (desired["manual_score"], desired["lead_score"]) == ("0.5650", "0.6750")
    assert desired["category_penalty_applied"] == "-0.1000"
    assert (desired["priority_tier"], desired["expected_precision"]) == ("standard_review", "0.6810")
    assert desired["score_host_likeability"] == "0.7000"
    assert desired["content_summary_structured"] == "First item.\n\nSecond item."
    assert desired["primary_category"] == "Entertainment"
    assert desired["profile_presence"] == "Speaks to the camera on nearly every walk."
    assert desired["has_community_platform"] == "true"
    assert desired["community_platforms_detected"] == "Discord;Email List"
    assert (desired["items_analyzed"], desired["analyzed_at"]) == ("3", "2026-11-16T13:05:07Z")
    assert desired["enrichment_status"] == "success"
    assert desired["notice_due_at"] == "2026-12-16T12:00:00Z"
    assert desired["hs_legal_basis"] == policy.crm.legal_basis_value
    for absent in ("phone", "state", "instagram_bio", "evidence_link", "enrichment_error_details", "bdr_"):
        assert absent not in desired
    assert all(isinstance(value, str) and value for value in desired.values())


def test_communities_that_nobody_could_look_for_are_not_sent_and_none_found_is(policy: Policy) -> None:
    unseen = desired_properties(facts(policy, analysis=AnalysisFacts()), policy)
    assert "has_community_platform" not in unseen
    none_found = desired_properties(facts(policy, analysis=AnalysisFacts(communities=())), policy)
    assert none_found["has_community_platform"] == "false"
    assert none_found["community_platforms_detected"] == "None"
    other = desired_properties(facts(policy, analysis=AnalysisFacts(communities=("other",))), policy)
    assert (other["has_community_platform"], other["community_platforms_detected"]) == ("true", "None")


def test_an_assessment_stands_in_for_item_summaries(policy: Policy) -> None:
    desired = desired_properties(facts(policy, analysis=AnalysisFacts(assessment="A warm circle.")), policy)
    assert desired["content_summary_structured"] == "A warm circle."


def test_missing_steps_make_a_warning_with_their_codes(policy: Policy) -> None:
    desired = desired_properties(facts(policy, warnings=("grid_evidence_missing", "step_J_error")), policy)
    assert desired["enrichment_status"] == "warning"
    assert desired["enrichment_error_details"] == "grid_evidence_missing, step_J_error"


@given(st.text())
def test_any_text_is_cut_cleaned_or_left_out(policy: Policy, text: str) -> None:
    changed = facts(policy, record=creator(display_name=text), platform_properties={"instagram_bio": text * 30_000})
    for value in desired_properties(changed, policy).values():
        assert value
        assert len(value) <= 65_536
        assert "\x00" not in value
        value.encode()


def test_without_a_lawful_basis_none_is_claimed(policy: Policy) -> None:
    document = policy.document()
    document["privacy"]["lawful_basis"] = None
    assert "hs_legal_basis" not in desired_properties(facts(policy), parse_policy(document))


def created(one: CrmProperty) -> dict[str, object]:
    """What set-up asks the CRM to make."""
    value_type, field_type = TYPES[one.kind]
    options = [{"label": label, "value": value} for value, label in one.labels.items()]
    return {
        "name": one.name, "label": one.label, "type": value_type, "fieldType": field_type,
        "groupName": "contactinformation", "hasUniqueValue": one.is_unique, "options": options,
    }  # fmt: skip


def test_the_crm_takes_every_property_and_value(policy: Policy) -> None:
    book = PropertyBook.stored(Store(None), frozenset())
    for one in crm_properties(policy).values():
        assert one.is_vendors is (one.name in book.definitions)
        if not one.is_vendors:
            book.create(created(one), created_at="2026-11-16T12:00:00Z")
    desired = desired_properties(facts(policy), policy)
    stored, refused = checked_values(book, desired)
    assert refused == []
    known = crm_properties(policy)
    kept = CrmContact(object_id="1", properties=stored, is_ours=True)
    assert all(
        is_equal(known[name].kind, stored[name], value)
        for name, value in desired.items()
        if known[name].rule is not WriteRule.ON_CREATE
    )
    assert row(policy, kept).action is Action.UNCHANGED
    assert book.definitions["creator_uid"]["hasUniqueValue"] is True


def test_a_new_contact_gets_everything(policy: Policy) -> None:
    created = row(policy)
    assert created.action is Action.CREATE
    assert {name: change.new for name, change in created.changes.items()} == proposed(policy).properties
    assert {change.old for change in created.changes.values()} == {None}


def test_a_contact_that_is_current_is_unchanged(policy: Policy) -> None:
    assert row(policy, ours(policy)) == PlanRow(
        uid=creator().uid, action=Action.UNCHANGED, crm_object_id="101", tier="standard_review"
    )


def test_our_values_are_kept_current_blanks_are_filled_and_the_rest_is_left_alone(policy: Policy) -> None:
    contact = ours(policy, lead_score="0.1", city="Oslo", phone=None, country="", funnel="Partner", firstname=None)
    changed = row(policy, contact)
    assert changed.action is Action.UPDATE
    assert changed.changes == {
        "country": Change(None, "United States"),
        "firstname": Change(None, "Mara"),
        "lead_score": Change("0.1", "0.6750"),
    }


def owned(policy: Policy, **rules: str) -> Policy:
    document = policy.document()
    document["crm"]["ownership"].update(rules)
    return parse_policy(document)


def test_the_owners_of_properties_are_policy(policy: Policy) -> None:
    contact = ours(policy, lead_score="0.1", city="Oslo")
    changed = owned(policy, city="ours", lead_score="if_blank")
    assert set(plan_row(proposed(changed), contact, properties=crm_properties(changed), policy=changed).changes) == {
        "city"
    }
    silent = owned(policy, lead_score="never")
    assert "lead_score" not in proposed(silent).properties
    assert "lead_score" not in crm_properties(silent)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"creator_uid": "ours"}, "creator_uid is always on_create"),
        ({"bdr_": "never"}, "bdr_ is always on_create"),
        ({"no_such": "ours"}, "unknown properties: no_such"),
        ({"city": "sometimes"}, "ownership"),
    ],
)
def test_a_table_of_owners_that_cannot_be_is_refused(policy: Policy, rules: dict[str, str], problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        owned(policy, **rules)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "Europe"])
def test_a_time_zone_that_does_not_exist_is_refused(policy: Policy, name: str) -> None:
    document = policy.document()
    document["crm"]["portal_time_zone"] = name
    with pytest.raises(PolicyError, match="no time zone"):
        parse_policy(document)


def test_every_property_has_an_owner(policy: Policy) -> None:
    document = policy.document()
    del document["crm"]["ownership"]["city"]
    with pytest.raises(PolicyError, match="ownership lacks city"):
        parse_policy(document)


def test_the_lifecycle_stage_is_never_moved(policy: Policy) -> None:
    assert "lifecyclestage" not in {*desired_properties(facts(policy), policy), *crm_properties(policy)}
    document = policy.document()
    document["crm"]["constants"]["instagram"]["lifecyclestage"] = "lead"
    document["crm"]["ownership"]["lifecyclestage"] = "ours"
    with pytest.raises(PolicyError, match="would move back"):
        parse_policy(document)
    document["crm"]["ownership"]["lifecyclestage"] = "on_create"
    mapped = parse_policy(document)
    assert proposed(mapped).properties["lifecyclestage"] == "lead"
    customer = ours(mapped, lifecyclestage="customer", lead_score="0.1")
    row = plan_row(proposed(mapped), customer, properties=crm_properties(mapped), policy=mapped)
    assert set(row.changes) == {"lead_score"}


def test_what_a_rep_edited_or_cleared_since_we_wrote_it_is_released(policy: Policy) -> None:
    written = proposed(policy).properties
    edited = replace(ours(policy, lead_score="0.9", score_reasoning=None, city="Oslo"), written=written)
    planned = row(policy, edited)
    assert planned.action is Action.UNCHANGED
    assert planned.notes == ("released:lead_score", "released:score_reasoning")
    assert planned.released == {"lead_score", "score_reasoning"}
    back = replace(ours(policy), written=written, released=frozenset({"lead_score"}))
    assert row(policy, back, properties={**written, "lead_score": "0.1000"}).changes == {}


def test_values_that_somebody_had_before_us_stay_theirs(policy: Policy) -> None:
    document = policy.document()
    document["crm"]["existing_contact"] = "update"
    theirs = CrmContact(object_id="7", properties={"lead_score": "0.9", "bdr_": "x"}, is_ours=False)
    planned = plan_row(proposed(policy), theirs, properties=crm_properties(policy), policy=parse_policy(document))
    assert "lead_score" not in planned.changes
    assert planned.released == {"lead_score"}


@pytest.mark.parametrize(("held", "is_said"), [(None, True), ("Mara@MaraWalks.test", True), ("x@y.test", False)])
def test_what_is_said_of_our_address_is_not_said_of_another(policy: Policy, held: str | None, is_said: bool) -> None:
    about = {"email_verification_status", "contact_source"}
    contact = ours(policy, email=held, email_verification_status=None, contact_source="somebody")
    assert (about <= set(row(policy, contact).changes)) is is_said
    edited = replace(contact, written={"contact_source": "us"})
    assert ("released:contact_source" in row(policy, edited).notes) is is_said


@pytest.mark.parametrize(
    ("kind", "old", "new", "equal"),
    [
        (ValueKind.NUMBER, "0.5", "0.5000", True),
        (ValueKind.NUMBER, "0.5", "0.5001", False),
        (ValueKind.NUMBER, "n/a", "0.5", False),
        (ValueKind.EMAIL, "Mara@Walks.test", "mara@walks.test", True),
        (ValueKind.MOMENT, "2026-11-16T12:00:00.000Z", "2026-11-16T12:00:00Z", True),
        (ValueKind.MOMENT, "1794830400000", "2026-11-16T12:00:00Z", True),
        (ValueKind.MOMENT, "soon", "2026-11-16T12:00:00Z", False),
        (ValueKind.CHOICES, "Discord;Email List", "Email List;Discord", True),
        (ValueKind.CHOICES, "Discord", "Email List;Discord", False),
        (ValueKind.TEXT, "a ", "a", True),
        (ValueKind.TEXT, "A", "a", False),
        (ValueKind.TEXT, None, "a", False),
    ],
)
def test_values_are_compared_by_their_meaning(kind: ValueKind, old: str | None, new: str, equal: bool) -> None:
    assert is_equal(kind, old, new) is equal


@pytest.mark.parametrize(
    ("email", "status", "action", "reason"),
    [
        ("a@b.test", EmailStatus.VALID, Action.CREATE, None),
        ("a@b.test", EmailStatus.CATCH_ALL, Action.CREATE, None),
        ("a@b.test", EmailStatus.UNKNOWN, Action.CREATE, None),
        ("a@b.test", EmailStatus.INVALID, Action.REJECTED, "email_invalid"),
        ("a@b.test", EmailStatus.DISPOSABLE, Action.REJECTED, "email_disposable"),
        ("a@b.test", EmailStatus.UNVERIFIED, Action.HELD, "held_email_unverified"),
        ("a@b.test", None, Action.HELD, "held_email_unverified"),
        (None, None, Action.HELD, "held_no_email"),
    ],
)
def test_the_email_status_gates_the_sync(
    policy: Policy, email: str | None, status: EmailStatus | None, action: Action, reason: str | None
) -> None:
    properties = {"creator_uid": "u"} | ({} if email is None else {"email": email})
    planned = row(policy, properties=properties, email_status=status)
    assert (planned.action, planned.reason) == (action, reason)
    assert bool(planned.changes) is (reason is None)


def test_contacts_without_an_address_may_be_allowed_by_policy(policy: Policy) -> None:
    document = policy.document()
    document["crm"]["sync_without_email"] = True
    assert email_refusal(None, None, parse_policy(document)) is None


def test_a_contact_made_by_others_is_left_alone(policy: Policy) -> None:
    foreign = CrmContact(object_id="7", properties={"email": "mara@marawalks.test"}, is_ours=False)
    assert (row(policy, foreign).action, row(policy, foreign).reason) == (Action.REJECTED, "already_in_crm")
    document = policy.document()
    document["crm"]["existing_contact"] = "update"
    taken = plan_row(proposed(policy), foreign, properties=crm_properties(policy), policy=parse_policy(document))
    assert (taken.action, taken.crm_object_id) == (Action.UPDATE, "7")
    assert taken.changes["creator_uid"] == Change(None, creator().uid)
    assert "funnel" not in taken.changes


def decide(policy: Policy, country: str | None, kind: str, **changes: str) -> OutreachDecision:
    return outreach_decision(country, SubscriberKind(kind), policy, **changes)


@pytest.mark.parametrize("kind", list(SubscriberKind))
def test_the_united_states_are_allowed(policy: Policy, kind: str) -> None:
    for country in ("US", "usa", "United States", " united  states of america "):
        assert decide(policy, country, kind) == ALLOWED


@pytest.mark.parametrize("country", ["DE", "Germany", "United Kingdom", "UK", "Norway", "Czech Republic", "LI"])
@pytest.mark.parametrize(
    ("kind", "email_allowed"), [("company", True), ("sole_trader", False), ("individual", False), ("unknown", False)]
)
def test_in_europe_only_companies_get_email_and_all_need_a_notice_plan(
    policy: Policy, country: str, kind: str, email_allowed: bool
) -> None:
    decision = decide(policy, country, kind)
    assert (decision.email_allowed, decision.code) == (email_allowed, None)
    document = policy.document()
    document["privacy"]["notice_plan"] = None
    assert decide(parse_policy(document), country, kind).code == "held_notice_plan"
    assert decide(parse_policy(document), "US", kind).code is None


@pytest.mark.parametrize("country", ["Brazil", "BR", "CH", "Atlantis"])
def test_a_country_without_a_rule_is_not_allowed(policy: Policy, country: str) -> None:
    decision = decide(policy, country, "company")
    assert (decision.email_allowed, decision.code) == (False, "outreach_not_allowed")


@pytest.mark.parametrize("country", [None, "", "  "])
def test_an_unknown_country_is_assumed_to_be_the_target_and_marked(policy: Policy, country: str | None) -> None:
    assert decide(policy, country, "unknown") == replace(ALLOWED, is_assumed=True)
    german = decide(policy, country, "unknown", target_country="Germany")
    assert (german.country, german.is_assumed, german.email_allowed) == ("DE", True, False)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("United States", "US"), ("Berlin, Germany", "DE"), ("gb", "GB"), ("Toronto, Canada", "CA"),
        ("Wilmington, DE", None), ("San Francisco, CA", None), ("California", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_searchs_place_may_name_a_country(policy: Policy, place: str | None, code: str | None) -> None:
    assert named_country(place, policy) == code


def test_without_a_lawful_basis_everything_is_held(policy: Policy) -> None:
    document = policy.document()
    document["privacy"]["lawful_basis"] = None
    decision = decide(parse_policy(document), "US", "company")
    assert (decision.email_allowed, decision.code) == (False, "held_lawful_basis")


def test_every_country_of_the_rules_has_a_name_people_write(policy: Policy) -> None:
    named = set(policy.outreach.country_names.values())
    assert {code for rule in policy.outreach.rules for code in rule.countries} <= named
    assert country_code("nO", policy) == "NO"


def test_outreach_refusals_and_marks_show_in_the_plan(policy: Policy) -> None:
    refused = row(
        policy,
        outreach=OutreachDecision(country="BR", is_assumed=False, email_allowed=False, code="outreach_not_allowed"),
    )
    assert (refused.action, refused.reason, refused.notes) == (
        Action.REJECTED,
        "outreach_not_allowed",
        ("no_email_outreach",),
    )
    held = row(
        policy, outreach=OutreachDecision(country="US", is_assumed=True, email_allowed=True, code="held_lawful_basis")
    )
    assert (held.action, held.notes) == (Action.HELD, ("country_assumed",))


@pytest.mark.parametrize(
    ("tier", "status", "email_allowed", "is_dealt", "cause"),
    [
        ("auto_enroll", EmailStatus.VALID, True, False, None),
        ("auto_enroll", EmailStatus.CATCH_ALL, True, True, "email_not_valid"),
        ("auto_enroll", None, True, True, "email_not_valid"),
        ("auto_enroll", EmailStatus.VALID, False, True, "email_not_allowed"),
        ("standard_review", EmailStatus.VALID, True, True, None),
    ],
)
def test_enrolled_leads_stay_out_of_the_queue_only_when_they_may_be_written_to(
    policy: Policy, tier: str, status: EmailStatus | None, email_allowed: bool, is_dealt: bool, cause: str | None
) -> None:
    decision = queue_decision(tier, status, replace(ALLOWED, email_allowed=email_allowed), policy)
    assert (decision.is_dealt, decision.cause) == (is_dealt, cause)


def test_a_dealt_row_carries_the_owner_and_an_undealt_one_is_held(policy: Policy) -> None:
    dealt = with_bdr(row(policy), "Ines", "77")
    assert (dealt.bdr, dealt.changes["bdr_"]) == ("Ines", Change(None, "77"))
    held = without_bdr(row(policy))
    assert (held.action, held.reason, held.changes) == (Action.HELD, "held_no_bdr", {})


def test_every_reason_of_a_plan_is_a_code_of_synced() -> None:
    for code in ("email_invalid", "email_disposable", "already_in_crm", "outreach_not_allowed"):
        assert code in REJECTED[Stage.SYNCED]
    for code in ("held_no_bdr", "held_no_email", "held_email_unverified", "held_notice_plan", "held_lawful_basis"):
        assert code in HELD


def test_the_plan_hash_ignores_order_and_sees_every_change(policy: Policy) -> None:
    one, other = row(policy), replace(row(policy), uid="ffffffff-0000-0000-0000-000000000000")
    assert plan_hash([one, other]) == plan_hash([other, one])
    assert plan_hash([one]) != plan_hash([with_bdr(one, "Ines", "77")])
    assert plan_hash([one]) != plan_hash([replace(one, changes={**one.changes, "city": Change(None, "Oslo")})])
    assert plan_hash([]) == plan_hash([])
