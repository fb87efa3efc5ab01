"""Whether a planned row still fits the contact as it is right before the write (spec 11.2)."""

from collections.abc import Mapping
from enum import StrEnum

from socialanalyzer_dagster.domain.crm_diff import Action, CrmContact, PlanRow
from socialanalyzer_dagster.domain.crm_equality import is_equal
from socialanalyzer_dagster.domain.crm_properties import CrmProperty


class Standing(StrEnum):
    """`as_planned` = write it; `done` = every planned value is there already; `changed` = plan it anew."""

    AS_PLANNED = "as_planned"
    DONE = "done"
    CHANGED = "changed"


def standing(row: PlanRow, contact: CrmContact | None, properties: Mapping[str, CrmProperty]) -> Standing:
    """Compare the values that a create or update row was planned with, and those it would write, with the contact.

    A create row whose contact is there with all its values was written by an attempt that ended before it could say so.
    """
    if contact is None:
        return Standing.AS_PLANNED if row.action is Action.CREATE else Standing.CHANGED
    current = {name: contact.properties.get(name) or None for name in row.changes}
    if all(is_equal(properties[name].kind, current[name], change.new) for name, change in row.changes.items()):
        return Standing.DONE
    if row.action is Action.CREATE or contact.object_id != row.crm_object_id:
        return Standing.CHANGED
    as_planned = all(
        is_equal(properties[name].kind, current[name], change.old) if change.old else current[name] is None
        for name, change in row.changes.items()
    )
    return Standing.AS_PLANNED if as_planned else Standing.CHANGED
