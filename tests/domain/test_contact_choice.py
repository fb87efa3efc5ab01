"""The choice among contact candidates (spec 8.4, 8.6, I-8)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.contact_choice import (
    ChoiceContext,
    email_key,
    email_problem,
    next_to_verify,
    resolve,
)
from socialanalyzer_dagster.domain.emails import EmailStatus, canonical_email
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind
from socialanalyzer_dagster.domain.policy import shipped_policy

POLICY = shipped_policy()
AT = datetime(2026, 11, 20, tzinfo=UTC)


def candidate(value, field="email", kind=CandidateKind.TEXT, step="D", provider="apify", at=AT):
    return Candidate(
        field=field,
        value=value,
        canonical=canonical_email(value) or value.casefold(),
        kind=kind,
        step=step,
        provider=provider,
        source_url=None,
        fetched_at=at,
    )


def chosen_email(*candidates, **context):
    choice = resolve(candidates, ChoiceContext(**context), POLICY).get("email")
    return choice.value if choice else None


def test_verification_decides_before_everything_else():
    emails = [
        candidate("found@trail.com", kind=CandidateKind.DISCOVERY),
        candidate("paid@trail.com", kind=CandidateKind.PAID_LOOKUP),
    ]
    assert chosen_email(*emails) == "found@trail.com"
    assert chosen_email(*emails, email_statuses={"paid@trail.com": EmailStatus.CATCH_ALL}) == "paid@trail.com"
    statuses = {"paid@trail.com": EmailStatus.CATCH_ALL, "found@trail.com": EmailStatus.VALID}
    assert chosen_email(*emails, email_statuses=statuses) == "found@trail.com"


def test_the_order_of_verification_is_valid_catch_all_unknown_untried():
    addresses = [f"{name}@trail.com" for name in ("d", "c", "b", "a")]
    statuses = dict(zip(addresses, (EmailStatus.VALID, EmailStatus.CATCH_ALL, EmailStatus.UNKNOWN), strict=False))
    context = ChoiceContext(email_statuses=statuses)
    ranked = sorted(map(candidate, addresses), key=lambda one: email_key(one, context, POLICY))
    assert [one.value for one in ranked] == addresses


@pytest.mark.parametrize("status", [EmailStatus.INVALID, EmailStatus.DISPOSABLE])
def test_refused_addresses_are_never_chosen(status):
    assert chosen_email(candidate("a@trail.com"), email_statuses={"a@trail.com": status}) is None


def test_the_kinds_rank_from_discovery_to_paid_lookup():
    kinds = [
        CandidateKind.DISCOVERY,
        CandidateKind.MAILTO,
        CandidateKind.STRUCTURED,
        CandidateKind.TEXT,
        CandidateKind.OBFUSCATED,
        CandidateKind.PAID_LOOKUP,
    ]
    emails = [candidate(f"{letter}@trail.com", kind=kind) for letter, kind in zip("fedcba", kinds, strict=True)]
    ranked = sorted(emails, key=lambda one: email_key(one, ChoiceContext(), POLICY))
    assert [one.kind for one in ranked] == kinds


def test_the_domain_of_the_own_website_goes_before_personal_providers_and_others():
    website = candidate("https://www.trail.com/home", field="personal_website")
    emails = [candidate("z@mail.trail.com"), candidate("y@gmail.com"), candidate("x@agency.com")]
    assert chosen_email(*emails, website) == "z@mail.trail.com"
    assert chosen_email(*emails) == "y@gmail.com"
    assert chosen_email(emails[0], emails[2]) == "x@agency.com"


def test_an_aggregator_page_is_no_own_domain():
    website = candidate("https://linktr.ee/ada", field="personal_website")
    assert chosen_email(candidate("b@linktr.ee"), candidate("a@other.com"), website) == "a@other.com"


def test_a_local_part_with_the_name_goes_before_neutral_and_role_ones():
    emails = [candidate("info@trail.com"), candidate("adventure@trail.com"), candidate("zoe.b@trail.com")]
    assert chosen_email(*emails, names=("Zoë Berg",)) == "zoe.b@trail.com"
    assert chosen_email(*emails[:2], names=("Zoë Berg",)) == "adventure@trail.com"
    assert chosen_email(*emails, candidate("Zoe", field="first_name")) == "zoe.b@trail.com"


def test_the_step_then_the_value_break_ties():
    assert chosen_email(candidate("a@trail.com", step="E"), candidate("b@trail.com", step="D")) == "b@trail.com"
    assert chosen_email(candidate("B@trail.com"), candidate("a@trail.com")) == "a@trail.com"


def test_values_of_discovery_and_lists_outrank_all_steps():
    found = candidate("https://x.com/z", field="twitter", step="discovery", kind=CandidateKind.DISCOVERY)
    listed = candidate("https://adatrail.com/z", field="personal_website", step="list", kind=CandidateKind.DISCOVERY)
    later = [
        candidate("https://x.com/a", field="twitter", step="A"),
        candidate("https://a.com", field="personal_website", step="A"),
    ]
    values = resolve([*later, found, listed], ChoiceContext(), POLICY)
    assert values["twitter"] is found
    assert values["personal_website"] is listed


def test_the_next_address_is_verified_after_a_refusal_and_at_most_three():
    emails = [candidate(f"{letter}@trail.com") for letter in "abcd"]
    statuses: dict[str, EmailStatus] = {}
    tried = []
    while (following := next_to_verify(emails, ChoiceContext(email_statuses=statuses), POLICY)) is not None:
        tried.append(following.value)
        statuses[following.canonical] = EmailStatus.INVALID
    assert tried == ["a@trail.com", "b@trail.com", "c@trail.com"]
    assert email_problem(emails, ChoiceContext(email_statuses=statuses), POLICY) == "email_invalid"


@pytest.mark.parametrize(
    "status", [EmailStatus.VALID, EmailStatus.CATCH_ALL, EmailStatus.UNKNOWN, EmailStatus.UNVERIFIED]
)
def test_an_answer_or_a_lost_answer_ends_verification(status):
    context = ChoiceContext(email_statuses={"a@trail.com": status})
    emails = [candidate("a@trail.com"), candidate("b@trail.com")]
    assert next_to_verify(emails, context, POLICY) is None
    assert email_problem(emails, context, POLICY) is None


def test_leads_without_usable_address_say_why():
    disposable = ChoiceContext(email_statuses={"a@trail.com": EmailStatus.DISPOSABLE})
    assert email_problem([], ChoiceContext(), POLICY) == "no_email"
    assert email_problem([candidate("a@trail.com")], disposable, POLICY) == "email_disposable"
    assert email_problem([candidate("a@trail.com"), candidate("b@trail.com")], disposable, POLICY) is None
    assert next_to_verify([], ChoiceContext(), POLICY) is None


VALUES = {
    "email": ["ada@trail.com", "Ada@Trail.com", "info@trail.com", "ada@gmail.com", "x@y.org", "a.da@gmail.com"],
    "personal_website": ["https://trail.com", "https://linktr.ee/ada", "https://y.org"],
    "name": ["Ada Trail", "Bo"],
}
CANDIDATES = st.builds(
    lambda pair, kind, step, provider, minutes: candidate(
        pair[1], field=pair[0], kind=kind, step=step, provider=provider, at=AT + timedelta(minutes=minutes)
    ),
    st.sampled_from([(field, value) for field, values in VALUES.items() for value in values]),
    st.sampled_from(list(CandidateKind)),
    st.sampled_from(["discovery", "list", *"ABCDEFGHIJK"]),
    st.sampled_from(["apify", "apollo"]),
    st.integers(0, 3),
)


@given(
    st.lists(CANDIDATES, max_size=12).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))),
    st.dictionaries(st.sampled_from(["ada@trail.com", "ada@gmail.com", "x@y.org"]), st.sampled_from(list(EmailStatus))),
)
def test_the_same_candidates_in_any_order_give_the_same_values(orders, statuses):
    first, second = orders
    context = ChoiceContext(names=("Ada Trail",), email_statuses=statuses)
    assert resolve(first, context, POLICY) == resolve(second, context, POLICY)
    assert next_to_verify(first, context, POLICY) == next_to_verify(second, context, POLICY)
    assert email_problem(first, context, POLICY) == email_problem(second, context, POLICY)
    chosen = resolve(first, context, POLICY).get("email")
    assert chosen is None or statuses.get(chosen.canonical) not in {EmailStatus.INVALID, EmailStatus.DISPOSABLE}


def test_what_the_person_corrected_comes_before_everything_that_was_found():
    own = candidate("right@trail.com", kind=CandidateKind.PERSON, step="person", provider="person")
    found = candidate("wrong@trail.com", kind=CandidateKind.DISCOVERY, step="discovery")
    assert chosen_email(found, own, email_statuses={"wrong@trail.com": EmailStatus.VALID}) == "right@trail.com"
    assert chosen_email(found, own, email_statuses={"right@trail.com": EmailStatus.INVALID}) == "wrong@trail.com"
    city = [candidate("Bern", "city", CandidateKind.PERSON, "person"), candidate("Aarau", "city", step="discovery")]
    assert resolve(city, ChoiceContext(), POLICY)["city"].value == "Bern"
