"""Suppressed people are recognised in any spelling without being stored (spec 19.2)."""

from datetime import UTC, datetime

import pytest

from socialanalyzer_dagster.domain.leads import (
    AudienceKind,
    Candidate,
    CandidateKind,
    Identifier,
    IdentifierKind,
    LeadRecord,
)
from socialanalyzer_dagster.domain.suppression import (
    WeakKey,
    canonical_identifier,
    identifier_hash,
    identifiers_of_candidates,
    identifiers_of_record,
    keyed_hash,
)

AT = datetime(2026, 11, 20, tzinfo=UTC)
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        (IdentifierKind.EMAIL, ["Ada.Trail@gmail.com", "adatrail+trips@googlemail.com", " ADATRAIL@GMAIL.COM"]),
        (IdentifierKind.HANDLE, ["instagram:Ada", "instagram:@ada ", "Instagram:ADA"]),
        (
            IdentifierKind.PROFILE_URL,
            ["https://www.instagram.com/Ada/", "instagram.com/ada?igshid=1", "http://m.instagram.com/ada"],
        ),
        (
            IdentifierKind.PROFILE_URL,
            ["https://facebook.com/groups/Hike/", "https://m.facebook.com/groups/hike/posts/1"],
        ),
        (IdentifierKind.PROFILE_URL, ["https://www.adatrail.com/", "http://adatrail.com?x=1"]),
        (IdentifierKind.PHONE, ["+1 (303) 555-0100", "3035550100", "001 303 555 0100"]),
    ],
)
def test_all_spellings_of_a_person_have_one_hash(kind, spellings):
    hashes = {identifier_hash(Identifier(kind, spelling), KEY) for spelling in spellings}
    assert len(hashes) == 1
    assert None not in hashes


def test_the_hash_depends_on_kind_and_key():
    assert keyed_hash(IdentifierKind.EMAIL, "a", KEY) != keyed_hash(IdentifierKind.HANDLE, "a", KEY)
    assert keyed_hash(IdentifierKind.EMAIL, "a", KEY) != keyed_hash(IdentifierKind.EMAIL, "a", OTHER_KEY)


def test_a_short_key_closes_the_gate():
    with pytest.raises(WeakKey, match="32 bytes"):
        keyed_hash(IdentifierKind.EMAIL, "a", b"short")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (IdentifierKind.EMAIL, "ada"),
        (IdentifierKind.HANDLE, "ada"),
        (IdentifierKind.HANDLE, "instagram:@"),
        (IdentifierKind.PROFILE_URL, "javascript:x"),
        (IdentifierKind.PHONE, "call me"),
    ],
)
def test_what_is_no_identifier_has_no_hash(kind, value):
    assert canonical_identifier(Identifier(kind, value)) is None
    assert identifier_hash(Identifier(kind, value), KEY) is None


def test_a_lead_is_recognised_by_its_handle_profile_and_linked_accounts():
    record = LeadRecord(
        platform="patreon",
        platform_id="77",
        handle="Ada",
        profile_url="https://www.patreon.com/ada",
        audience_kind=AudienceKind.PATRONS,
        links={"instagram": "https://www.instagram.com/ada.trail"},
    )
    hashes = {identifier_hash(identifier, KEY) for identifier in identifiers_of_record(record)}
    for suppressed in (
        Identifier(IdentifierKind.HANDLE, "patreon:ada"),
        Identifier(IdentifierKind.HANDLE, "instagram:@Ada.Trail"),
        Identifier(IdentifierKind.PROFILE_URL, "instagram.com/ada.trail"),
    ):
        assert identifier_hash(suppressed, KEY) in hashes


def test_new_candidates_bring_new_identifiers():
    def found(field, value):
        return Candidate(
            field=field,
            value=value,
            canonical=value,
            kind=CandidateKind.TEXT,
            step="C",
            provider="apify",
            source_url=None,
            fetched_at=AT,
        )

    identifiers = identifiers_of_candidates(
        [
            found("email", "a@b.co"),
            found("phone", "3035550100"),
            found("twitter", "https://x.com/ada"),
            found("name", "Ada"),
        ]
    )
    assert [identifier.kind.value for identifier in identifiers] == ["email", "phone", "profile_url", "handle"]
    assert identifiers[-1].value == "twitter:ada"
