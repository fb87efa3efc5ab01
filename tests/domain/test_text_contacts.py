"""E-mails, phones and names in text (spec 8.3, 8.4, 19.2)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.emails import (
    canonical_email,
    contact_emails,
    email_hash,
    find_emails,
    is_contact_address,
    is_role_address,
)
from socialanalyzer_dagster.domain.names import (
    first_and_last,
    holds_name,
    is_full_name,
    looks_human,
    name_at_start,
    name_from_profile,
    name_tokens,
    names_beside_role,
)
from socialanalyzer_dagster.domain.phones import canonical_phone
from socialanalyzer_dagster.domain.policy import shipped_policy

EMAILS = shipped_policy().emails


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to ada@trail.com.", [("ada@trail.com", "text")]),
        ('<a href="mailto:Ada@Trail.com?subject=Hi">', [("Ada@trail.com", "mailto")]),
        ("mailto:ada%40trail.com", [("ada@trail.com", "mailto")]),
        ("ada [at] trail [dot] co [dot] uk", [("ada@trail.co.uk", "obfuscated")]),
        ("ada(at)trail.com", [("ada@trail.com", "obfuscated")]),
        ("ada {AT} trail {DOT} com", [("ada@trail.com", "obfuscated")]),
        ("ada@trail.com.Thanks for reading", [("ada@trail.com", "text")]),
        ("𝗮𝗱𝗮@𝘁𝗿𝗮𝗶𝗹.𝗰𝗼𝗺", [("ada@trail.com", "text")]),
        ("name at site dot com", []),
        ("meet me (at) home.", []),
        ("@adatrail on every site", []),
        (None, []),
    ],
)
def test_the_three_forms_of_addresses_are_found(text, found):
    assert [(email.address, email.kind.value) for email in find_emails(text)] == found


def test_an_address_that_stands_twice_is_found_once():
    assert len(find_emails("a.da@gmail.com or ADA+trips@gmail.com, mailto:ada@gmail.com")) == 1


@pytest.mark.parametrize(
    "address",
    [
        "logo@2x.png",
        "icon.svg@site.com",
        "a@o123.ingest.sentry.io",
        "you@example.com",
        "x@d1.cloudfront.net",
        "email_not_unlocked@domain.com",
        "noreply@trail.com",
        "no-reply@trail.com",
        "donotreply@trail.com",
        "help@patreon.com",
        "no address",
    ],
)
def test_machine_addresses_are_no_contacts(address):
    assert not is_contact_address(address, EMAILS)
    assert contact_emails(f"see {address} now", EMAILS) == []


def test_a_blocked_name_inside_another_domain_is_a_contact():
    assert is_contact_address("ada@myexample.com", EMAILS)
    assert is_contact_address("ada@w3.organic", EMAILS)


@pytest.mark.parametrize(
    ("spellings", "canonical"),
    [
        (["A.da@gmail.com", "ada+x@GoogleMail.com", " ada@gmail.com "], "ada@gmail.com"),
        (["Ada.T+trips@trail.com"], "ada.t+trips@trail.com"),
        (["ada+x@outlook.com"], "ada@outlook.com"),
        (["ada.t@outlook.com"], "ada.t@outlook.com"),
        (["ada@müller.de"], "ada@xn--mller-kva.de"),
    ],
)
def test_spellings_of_one_mailbox_are_equal(spellings, canonical):
    assert {canonical_email(spelling) for spelling in spellings} == {canonical}
    assert len({email_hash(spelling) for spelling in spellings}) == 1


def test_what_is_no_address_has_no_canonical_form():
    assert canonical_email("ada at trail") is None
    assert email_hash("") is None


def test_role_addresses_are_told_from_people():
    assert is_role_address("Info+trips@trail.com", EMAILS)
    assert not is_role_address("ada@trail.com", EMAILS)


@given(st.text(max_size=500))
def test_any_text_can_be_searched_for_addresses(text):
    for email in contact_emails(text, EMAILS):
        assert canonical_email(email.address) is not None


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "a@" * 100_000, "x [at] y [dot] " * 20_000, "(at)" * 100_000, "a.b-" * 90_000]
)
def test_long_texts_are_searched_in_linear_time(text):
    started = time.perf_counter()
    find_emails(text)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("+1 (303) 555-0100", "+13035550100"),
        ("303.555.0100", "+13035550100"),
        ("1 303 555 0100 ext. 5", "+13035550100"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+49 (0)30 1234567", "+49301234567"),
        ("555 0100", None),
        ("call me", None),
        ("+123", None),
    ],
)
def test_phones_have_one_spelling(text, phone):
    assert canonical_phone(text) == phone


@pytest.mark.parametrize(
    ("name", "human", "full"),
    [
        ("Ada Trail", True, True),
        ("Émilie O'Neil-Roux", True, True),
        ("Ludwig van Beek", True, True),
        ("田中 太郎", True, True),
        ("Ada", True, False),
        ("ada trail", False, False),
        ("Wander Club", False, False),
        ("The Ada Trail Show", False, False),
        ("Ada & Bo", False, False),
        ("18+", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_names_of_people_are_told_from_names_of_things(name, human, full):
    assert (looks_human(name, EMAILS), is_full_name(name, EMAILS)) == (human, full)


def test_a_result_title_can_start_with_a_name():
    assert name_at_start("Ada Trail - Founder - Hikers | LinkedIn", EMAILS) == "Ada Trail"
    assert name_at_start("Hiking Group | Facebook", EMAILS) is None
    assert name_at_start(None, EMAILS) is None


def test_names_stand_beside_roles():
    text = "Founder: Ada Trail runs it. Group admin Bo Lind and others. Cy Mora, owner. The manager is here."
    assert names_beside_role(text, EMAILS) == ["Ada Trail", "Bo Lind", "Cy Mora"]


@pytest.mark.parametrize("text", ["a" * 300_000 + " owner", "Owner " * 4_000, "Ab-" * 50_000, "Al Bo (owner " * 4_000])
def test_names_beside_roles_are_found_in_linear_time(text):
    began = time.process_time()
    names_beside_role(text, EMAILS)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("slug", "name"),
    [("ada-trail", "Ada Trail"), ("ada-m-trail-4b1c22", "Ada M Trail"), ("adatrail", None), ("a-b-c-d", None)],
)
def test_a_profile_slug_gives_a_name_of_two_or_three_parts(slug, name):
    assert name_from_profile(f"https://www.linkedin.com/in/{slug}/") == name


def test_only_linkedin_slugs_give_names():
    assert name_from_profile("https://www.instagram.com/ada-trail") is None


def test_parts_of_a_name_are_found_in_a_local_part():
    tokens = name_tokens(["Zoë Li", None])
    assert holds_name("hello.zoe", tokens)
    assert holds_name("li.w", tokens)
    assert not holds_name("live", tokens)
    assert first_and_last("Ada M. Trail") == ("Ada", "Trail")
    assert first_and_last("Ada") is None


@given(st.text(max_size=300))
def test_any_text_can_be_searched_for_names_and_phones(text):
    names_beside_role(text, EMAILS)
    name_at_start(text, EMAILS)
    canonical_phone(text)
    looks_human(text, EMAILS)
    name_tokens([text])
