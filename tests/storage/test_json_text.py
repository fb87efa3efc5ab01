"""What a JSON column gives back is what it was given, on both engines."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage.json_text import parsed_json, stored_json
from socialanalyzer_dagster.storage.models_control import AuditEntryRow

_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS
_VALUES = st.recursive(_LEAVES, lambda inside: st.lists(inside) | st.dictionaries(_TEXTS, inside), max_leaves=20)


@given(_VALUES)
def test_every_json_value_comes_back_as_it_was(value):
    found = parsed_json(stored_json(value))
    assert found == value
    assert repr(found) == repr(value), "1 stays a whole number, 1.0 and -0.0 stay floats"


def test_numbers_come_back_exactly(database):
    kept = {"id": 2**70, "rate": 0.1 + 0.2, "none": None, "text": "a\u2028b"}
    now = datetime(2026, 11, 20, tzinfo=UTC)
    with database.write() as connection:
        audit_log.record(connection, at=now, actor="Mara", action="test", subject="numbers", **kept)
    with database.read() as connection:
        assert connection.execute(select(AuditEntryRow.detail)).scalar_one() == kept
