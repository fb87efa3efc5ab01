"""A planned row beside the contact as it is right before the write (spec 11.2), and when a person must say yes."""

from dataclasses import replace

import pytest

from socialanalyzer_dagster.domain.crm_diff import Action, Change, CrmContact, PlanRow
from socialanalyzer_dagster.domain.crm_equality import is_equal
from socialanalyzer_dagster.domain.crm_properties import ValueKind
from socialanalyzer_dagster.domain.crm_recheck import Standing, standing
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import LeadUid

CREATE = PlanRow(
    uid=LeadUid("u"),
    action=Action.CREATE,
    changes={"email": Change(None, "a@b.org"), "lead_score": Change(None, "0.5000")},
)
UPDATE = replace(
    CREATE,
    action=Action.UPDATE,
    crm_object_id="7",
    changes={"lead_score": Change("0.4", "0.5000"), "city": Change(None, "Bergen")},
)


def contact(**properties: str | None) -> CrmContact:
    return CrmContact(object_id="7", properties=properties, is_ours=True)


def test_a_new_contact_is_written_while_nobody_has_it(policy: Policy) -> None:
    assert standing(CREATE, None, crm_properties(policy)) is Standing.AS_PLANNED


def test_a_new_contact_with_all_its_values_was_written_before(policy: Policy) -> None:
    found = contact(email="A@b.org", lead_score="0.5", city="Oslo")
    assert standing(CREATE, found, crm_properties(policy)) is Standing.DONE


def test_a_new_contact_that_is_there_with_other_values_is_planned_anew(policy: Policy) -> None:
    assert standing(CREATE, contact(email="a@b.org"), crm_properties(policy)) is Standing.CHANGED


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, Standing.CHANGED),
        (contact(lead_score="0.4000", city=""), Standing.AS_PLANNED),
        (contact(lead_score="0.5", city="Bergen"), Standing.DONE),
        (contact(lead_score="0.3"), Standing.CHANGED),
        (contact(lead_score="0.4", city="Oslo"), Standing.CHANGED),
        (replace(contact(lead_score="0.4"), object_id="8"), Standing.CHANGED),
    ],
)
def test_an_update_fits_only_the_values_it_was_planned_with(
    found: CrmContact | None, expected: Standing, policy: Policy
) -> None:
    assert standing(UPDATE, found, crm_properties(policy)) is expected


def test_a_text_that_the_crm_stores_with_another_dash_is_the_same() -> None:
    assert is_equal(ValueKind.TEXT, "Legitimate interest - lead", "Legitimate interest – lead")
    assert not is_equal(ValueKind.TEXT, "Legitimate interest", "Legitimate interest – lead")
