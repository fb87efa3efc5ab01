"""Adding people to the suppression list: once, canonical, by keyed hash only (spec 19.2)."""

import pytest
from sqlalchemy import select

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import WeakKey
from socialanalyzer_dagster.pipeline.suppressions import SuppressionRequest, add, entries
from socialanalyzer_dagster.storage.models_control import AuditEntryRow

KEY = b"a key for tests that is long enough to be one"


def request_for(kind, value, clock):
    return SuppressionRequest(identifier=Identifier(kind, value), reason="asked", source="Kai", now=clock.now())


@pytest.mark.parametrize(
    ("kind", "value", "again"),
    [
        (IdentifierKind.EMAIL, "Ada.Example+x@gmail.com", "adaexample@gmail.com"),
        (IdentifierKind.HANDLE, "instagram:@Ada", "instagram:ada"),
        (IdentifierKind.PHONE, "+1 555 0100 200", "+15550100200"),
    ],
)
def test_another_spelling_is_the_same_person(database, clock, kind, value, again):
    assert add(database, KEY, request_for(kind, value, clock)) is True
    assert add(database, KEY, request_for(kind, again, clock)) is False
    (entry,) = entries(database)
    assert (entry.kind, entry.reason, entry.source) == (kind, "asked", "Kai")


def test_nothing_stored_names_the_person(sqlite_database, clock):
    add(sqlite_database, KEY, request_for(IdentifierKind.EMAIL, "ada@site.example", clock))
    with sqlite_database.read() as connection:
        audit = connection.execute(select(AuditEntryRow.__table__)).all()
    assert "ada" not in f"{entries(sqlite_database)} {audit}".lower()


def test_a_value_that_is_no_identifier_is_refused_with_an_example(sqlite_database, clock):
    with pytest.raises(FilterProblems, match=r"name@site\.com"):
        add(sqlite_database, KEY, request_for(IdentifierKind.EMAIL, "nonsense", clock))
    assert entries(sqlite_database) == []


def test_a_short_key_is_refused(sqlite_database, clock):
    with pytest.raises(WeakKey):
        add(sqlite_database, "short", request_for(IdentifierKind.EMAIL, "ada@site.example", clock))
