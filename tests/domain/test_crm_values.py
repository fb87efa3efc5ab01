"""Values the CRM would refuse, what an undo restores, and what a contact says of its life (spec 11.2, 11.6, 11.7)."""

import pytest

from socialanalyzer_dagster.domain.crm_diff import Action, Change, CrmContact, PlanRow
from socialanalyzer_dagster.domain.crm_reading import Reading, reading
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.crm_undo import undo_row
from socialanalyzer_dagster.domain.crm_validation import Definition, refused_values
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import LeadUid

KNOWN = {
    "number": Definition(type="number"), "flag": Definition(type="bool"), "moment": Definition(type="datetime"),
    "choice": Definition(type="enumeration", options=frozenset({"A - b", "c"})), "email": Definition(type="string"),
    "owner": Definition(type="enumeration"), "text": Definition(type="string"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "is_taken"),
    [
        ("number", "0.7200", True), ("number", "many", False), ("number", "NaN", False),
        ("flag", "true", True), ("flag", "yes", False),
        ("moment", "2026-11-16T12:00:00Z", True), ("moment", "1794830400000", True), ("moment", "soon", False),
        ("choice", "c", True), ("choice", "A – b;c", True), ("choice", "A - b;d", False), ("owner", "7", True),
        ("email", "a@b.org", True), ("email", "a@b", False), ("email", "a b@c.org", False),
        ("text", "x" * 65_537, False), ("text", "", True), ("unheard_of", "x", False),
    ],
)  # fmt: skip
def test_what_the_account_would_refuse_is_known_before(name: str, value: str, is_taken: bool) -> None:
    problems = refused_values({name: value}, KNOWN)
    assert (problems == {}) is is_taken
    assert not value or value not in "".join(problems.values()), "no value in a text that people may log"


def test_only_what_stands_as_we_wrote_it_is_restored(policy: Policy) -> None:
    changes = {
        "lead_score": Change("0.1000", "0.5000"), "city": Change(None, "Bergen"), "score_reasoning": Change("a", "b"),
        "creator_uid": Change(None, "u"), "expected_precision": Change(None, "0.6"),
    }  # fmt: skip
    row = PlanRow(uid=LeadUid("u"), action=Action.UPDATE, changes=changes, crm_object_id="7")
    now = {"lead_score": "0.5", "city": "Bergen", "score_reasoning": "mine", "creator_uid": "u"}
    found = undo_row(row, CrmContact(object_id="7", properties=now, is_ours=True), crm_properties(policy))
    assert found.restored == {"lead_score": Change("0.5", "0.1000"), "city": Change("Bergen", "")}
    assert found.kept == {"score_reasoning": "edited since", "creator_uid": "stays with the contact"}
    assert found.back == ("expected_precision",)
    assert set(undo_row(row, None, crm_properties(policy)).kept.values()) == {"the contact is gone"}


def test_the_stage_of_a_contacts_life_is_never_moved_back(policy: Policy) -> None:
    row = PlanRow(uid=LeadUid("u"), action=Action.UPDATE, changes={"lifecyclestage": Change(None, "lead")})
    contact = CrmContact(object_id="7", properties={"lifecyclestage": "lead"}, is_ours=True)
    assert undo_row(row, contact, crm_properties(policy)).kept == {"lifecyclestage": "stays with the contact"}


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({}, None), ({"lifecyclestage": "lead"}, None), ({"hs_lead_status": "ATTEMPTED_TO_CONTACT"}, "contacted"),
        ({"hs_lead_status": "OPEN_DEAL"}, "meeting"), ({"hs_lead_status": "UNQUALIFIED"}, "lost"),
        ({"lifecyclestage": "customer", "hs_lead_status": "UNQUALIFIED"}, "won"),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_says_what_became_of_a_contact(
    policy: Policy, values: dict[str, str], outcome: str | None
) -> None:
    assert reading(values, policy.crm) == Reading(owner_id=None, outcome=outcome, opted_out=False)  # type: ignore[arg-type]


def test_the_owner_of_the_crm_goes_before_the_one_we_dealt(policy: Policy) -> None:
    assert reading({"bdr_": "1", "hubspot_owner_id": "2"}, policy.crm).owner_id == "2"
    assert reading({"bdr_": "1", "hubspot_owner_id": ""}, policy.crm).owner_id == "1"
    assert reading({"hs_email_optout": "true"}, policy.crm).opted_out
