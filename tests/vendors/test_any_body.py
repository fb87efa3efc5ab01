"""Whatever JSON a vendor sends, a client answers or says that it does not fit; nothing else happens (I-13, I-32)."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.vendors import (
    apify,
    apify_items,
    apollo,
    email_verifier,
    hubspot,
    hubspot_batches,
    hubspot_errors,
    insightiq,
    llm,
    openai_channel,
    pages,
)

WORDS = """
    data error errors status id person email result choices message content usage prompt_tokens results
    context objectWriteTraceId ids properties category paging next after metadata total_results
    contact_details type value url label links mailto feed username externalUrls entities searchQuery term
    organicResults company_domain tiers code finish_reason refusal text key sha256 published_at engagement
    profile options maxTotalChargeUsd usageTotalUsd chargedEventCounts pricingInfo error_code policyName
"""
KEYS = st.sampled_from(WORDS.split())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
LEAVES = SCALARS | st.sampled_from(["error", "stop", "1,2K"])
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)

INPUTS = [hubspot_batches.WriteInput(trace_id="t", id="u", properties={})]
DECODERS: dict[str, Callable[[Any], Any]] = {
    "profiles": insightiq.decode_profiles,
    "contents": insightiq.decode_contents,
    "person": apollo.decode_person,
    "verification": email_verifier.decode_verification,
    "answer": llm.decode_answer,
    "transcript": llm.decode_transcript,
    "google": lambda body: apify_items.google_pages(body, ("a",)),
    "pages": apify_items.crawled_pages,
    "instagram profiles": apify_items.instagram_profiles,
    "twitter": apify_items.twitter_users,
    "contacts": apify_items.found_contacts,
    "patreon creators": apify_items.patreon_creators,
    "batch read": lambda body: hubspot_batches.read_result(body, id_property="email", ids=("u",)),
    "batch write": lambda body: hubspot_batches.write_results(body, INPUTS),
    "search": hubspot.decode_search,
    "owners": hubspot.decode_owners,
    "properties": hubspot.decode_properties,
    "page": pages.decode_page,
    "media": pages.decode_kept,
}
CLASSIFIERS = [module.classify for module in (insightiq, apify, apollo, email_verifier, hubspot_errors, openai_channel)]


@pytest.mark.parametrize("name", sorted(DECODERS))
@settings(max_examples=15, deadline=None)
@given(body=ANYTHING | st.lists(st.dictionaries(KEYS, ANYTHING, max_size=6), max_size=3))
def test_a_decoder_answers_or_raises_value_error(name, body):
    try:
        DECODERS[name](body)
    except ValueError:
        return


@pytest.mark.parametrize("classify", CLASSIFIERS, ids=lambda classify: classify.__module__.rpartition(".")[2])
@settings(max_examples=15, deadline=None)
@given(status=st.integers(100, 599), body=ANYTHING, wait=st.text(max_size=6))
def test_every_status_that_is_no_success_is_an_error_and_no_error_quotes_the_body(classify, status, body, wait):
    error = classify(status, {"retry-after": wait, "retry-after-ms": wait}, body)
    assert isinstance(error, VendorError) or 200 <= status < 300
    if error is not None:
        assert error.code.isascii()
        assert error.code.replace("_", "").isalnum()
        assert error.retry_after_seconds is None or error.retry_after_seconds >= 0


@settings(max_examples=15, deadline=None)
@given(run=st.dictionaries(KEYS, ANYTHING, max_size=6))
def test_a_runs_cost_is_a_whole_number_or_unknown(run):
    micros = apify.run_cost_micros(run)
    assert micros is None or (isinstance(micros, int) and micros >= 0)
