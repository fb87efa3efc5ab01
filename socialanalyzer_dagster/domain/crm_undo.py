"""What an undo of a written row would restore: only what still stands as we wrote it (spec 11.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.crm_diff import Action, Change, CrmContact, PlanRow
from socialanalyzer_dagster.domain.crm_equality import is_equal
from socialanalyzer_dagster.domain.crm_properties import LIFECYCLE_PROPERTY, CrmProperty, ValueKind, WriteRule

EDITED, GONE, STAYS = "edited since", "the contact is gone", "stays with the contact"
WRITTEN_AGAIN = "written again since"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRow:
    """`restored` goes from the value now to the one before ("" is blank); `kept` says why a field stays as it is.

    `back` are fields that stand as they were already.
    """

    restored: Mapping[str, Change] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    back: tuple[str, ...] = ()


def undo_row(row: PlanRow, contact: CrmContact | None, properties: Mapping[str, CrmProperty]) -> UndoRow:
    """Field by field what would be restored of a created or updated contact, and what would not, with the cause."""
    restored: dict[str, Change] = {}
    kept: dict[str, str] = {}
    back: list[str] = []
    for name, change in row.changes.items():
        kind = properties[name].kind if name in properties else ValueKind.TEXT
        now = contact.value(name) if contact is not None else None
        if contact is None:
            kept[name] = GONE
        elif _stays(row, name, properties):
            kept[name] = STAYS
        elif is_equal(kind, now, change.new):
            restored[name] = Change(now, change.old or "")
        elif now is None if change.old is None else is_equal(kind, now, change.old):
            back.append(name)
        else:
            kept[name] = EDITED
    return UndoRow(restored=restored, kept=kept, back=tuple(back))


def _stays(row: PlanRow, name: str, properties: Mapping[str, CrmProperty]) -> bool:
    """What is said once stays: our mark, the owner, the legal basis; no later sync could say it again.

    So does the stage of its life, which the CRM moves forward only.

    A contact that we made also keeps its address: it is never deleted, and is not to be made a second time.
    """
    known = properties.get(name)
    is_said_once = name == LIFECYCLE_PROPERTY or (known is not None and known.rule is WriteRule.ON_CREATE)
    return is_said_once or (row.action is Action.CREATE and known is not None and known.kind is ValueKind.EMAIL)
