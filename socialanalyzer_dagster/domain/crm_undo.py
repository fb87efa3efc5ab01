"""What an undo of a written row would restore: only what still stands as we wrote it (spec 11.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from socialanalyzer_dagster.domain.crm_diff import Action, Change, CrmContact, PlanRow, is_equal
from socialanalyzer_dagster.domain.crm_properties import BDR_PROPERTY, UNIQUE_PROPERTY, CrmProperty, ValueKind

EDITED, GONE, STAYS = "edited since", "the contact is gone", "stays with the contact"
_STAYS_ALWAYS = frozenset({UNIQUE_PROPERTY})
_STAYS_WITH_NEW = frozenset({UNIQUE_PROPERTY, BDR_PROPERTY, "email"})
"""A contact that we made is never deleted: who it is and whose it is stay, so that it is not made a second time."""


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
    stays = _STAYS_WITH_NEW if row.action is Action.CREATE else _STAYS_ALWAYS
    for name, change in row.changes.items():
        kind = properties[name].kind if name in properties else ValueKind.TEXT
        now = contact.value(name) if contact is not None else None
        if contact is None:
            kept[name] = GONE
        elif name in stays:
            kept[name] = STAYS
        elif is_equal(kind, now, change.new):
            restored[name] = Change(now, change.old or "")
        elif now is None if change.old is None else is_equal(kind, now, change.old):
            back.append(name)
        else:
            kept[name] = EDITED
    return UndoRow(restored=restored, kept=kept, back=tuple(back))
