"""Every threshold exists once and every policy key is read: invariant I-16 (spec 4, 21.1)."""

import ast
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import socialanalyzer_dagster
from socialanalyzer_dagster.domain.activity import activity_problem
from socialanalyzer_dagster.domain.breaker import BreakerState, CallResult, Rules
from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.crm_diff import CrmContact, ProposedContact, plan_row
from socialanalyzer_dagster.domain.crm_reading import reading
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.crm_waits import DAILY_LIMIT, next_try_at, resume_at
from socialanalyzer_dagster.domain.emails import EmailStatus, contact_emails
from socialanalyzer_dagster.domain.engagement import engagement_metrics
from socialanalyzer_dagster.domain.estimate import default_rates, estimate_search
from socialanalyzer_dagster.domain.filters import FilterProblems, fingerprint, validate_filters
from socialanalyzer_dagster.domain.keyword_ideas import current_keywords, keyword_ideas_prompt, keyword_ideas_schema
from socialanalyzer_dagster.domain.novelty import FilterRun, look_up_novelty
from socialanalyzer_dagster.domain.outreach import SubscriberKind, email_refusal, outreach_decision
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.policy_search import Section
from socialanalyzer_dagster.domain.price_drift import Bill, judged
from socialanalyzer_dagster.domain.prompts import PromptWriter
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs
from socialanalyzer_dagster.domain.scoring import compute_score, needs_repeats
from socialanalyzer_dagster.domain.travel_flag import TextUnit, travel_flag
from socialanalyzer_dagster.domain.types import LeadUid, PlatformKey
from socialanalyzer_dagster.domain.vendor_health import light_of
from socialanalyzer_dagster.pipeline.pricing import PriceTable
from socialanalyzer_dagster.pipeline.retention import Periods
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform

PACKAGE = Path(socialanalyzer_dagster.__file__).parent
POLICY = shipped_policy()
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROLES = {"vision", "text", "small"}
"""Roles of models: read by the name that a prompt gives (`Prompt.model`), so no attribute spells them all out."""


def sections(model: type[BaseModel] = Policy) -> Iterator[type[BaseModel]]:
    """The policy's models, found in each other's annotations."""
    yield model
    for field in model.model_fields.values():
        for part in parts_of(field.annotation):
            if isinstance(part, type) and issubclass(part, Section):
                yield from sections(part)


def parts_of(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)


def is_policys_own(path: Path) -> bool:
    return path.parent.name == "domain" and path.name.startswith("policy")


def attributes_read() -> set[str]:
    """Every attribute that production code outside the policy's own modules reads."""
    modules = [path for path in PACKAGE.rglob("*.py") if "sandbox" not in path.parts and not is_policys_own(path)]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in modules]
    return {
        node.attr for tree in trees for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }  # fmt: skip


def test_i_16_every_policy_key_is_read_by_code_outside_the_policy():
    read = attributes_read()
    unread = {
        f"{model.__name__}.{name}" for model in set(sections()) for name in model.model_fields
        if name not in read and not (model.__name__ == "ModelsPolicy" and name in ROLES)
    }  # fmt: skip
    # who confirmed a price is shown with the rest of the price's document, field by field
    assert unread <= {"Price.confirmed_by"}
    assert {prompt.model for prompt in POLICY.prompts.values()} == ROLES, "each role of a model is used"


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(path, value) of every scalar of the document."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from leaves(part, (*path, place))
    else:
        yield path, value


def changed(path: tuple[str | int, ...], value: Any) -> Policy:
    document = POLICY.document()
    part: Any = document
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return parse_policy(document)


def test_i_16_a_wrong_value_of_any_key_is_refused_and_an_unknown_key_too():
    kinds = (bool, int, float, str, type(None))
    seen: set[str] = set()
    for path, value in leaves(POLICY.document()):
        section = ".".join(str(part) for part in path if isinstance(part, str))
        if (
            section in seen
            or not isinstance(value, kinds)
            or path[:2] in {("search", "defaults"), ("discovery", "fixed")}
        ):
            continue
        seen.add(section)
        with pytest.raises(PolicyError):
            changed(path, ["no", {"such": "value"}])
    assert len(seen) > 150
    for model_path in [(), ("scoring",), ("enrichment", "page_steps", "B"), ("tiers",), ("budgets",)]:
        with pytest.raises(PolicyError):
            changed((*model_path, "unheard_of"), 1)


def item(days: float, likes: int = 200, comments: int = 20, *, caption: str | None = None) -> ContentItem:
    return ContentItem(
        item_id="1", published_at=NOW - timedelta(days=days), is_pinned=False, is_story=False, kind=MediaKind.IMAGE,
        likes=likes, comments=comments, caption=caption,
    )  # fmt: skip


def score(policy: Policy, **facts: Any) -> Any:
    known = {
        "platform": "instagram", "answers": (dict.fromkeys(DIMENSIONS, Decimal("0.4")),), "category": "entertainment",
        "audience_size": 80_000, "posts_above": 4, "posts_below": 7, "posts_hidden": 4, "travel_flag": False,
    }  # fmt: skip
    inputs = ScoreInputs.model_validate({**known, **facts})
    record = compute_score(inputs, "because it is so", policy)
    return record.base, record.lead_score, record.tier, record.expected_precision, needs_repeats(inputs, policy)


def tuned(policy: Policy) -> Any:
    """Scores of creators of whom each depends on other keys."""
    answers = tuple(({**dict.fromkeys(DIMENSIONS, Decimal("0.4")), name: Decimal("0.9")},) for name in DIMENSIONS)
    return [
        score(policy), score(policy, audience_size=200_000, posts_below=0), score(policy, audience_size=50_000),
        score(policy, posts_above=30, posts_below=0, posts_hidden=0), score(policy, posts_above=0),
        score(policy, posts_above=0, posts_below=0, posts_hidden=1), score(policy, posts_above=0, posts_below=1),
        score(policy, travel_flag=True, posts_above=0, audience_size=None),
        score(policy, answers=(dict.fromkeys(DIMENSIONS, Decimal("0.95")),)),
        score(policy, answers=(dict.fromkeys(DIMENSIONS, Decimal("0.66")),), category="learning"),
        score(policy, answers=(dict.fromkeys(DIMENSIONS, Decimal("0.70")),), category="learning"),
        *(score(policy, answers=each, category="learning") for each in answers),
    ]  # fmt: skip


def active(policy: Policy) -> Any:
    quiet, gap = [item(45)], [item(1), item(46)]
    return [
        activity_problem(items, is_private=False, now=NOW, screening=policy.screening) is None for items in (quiet, gap)
    ]


def received(policy: Policy) -> Any:
    return engagement_metrics([item(1, 160, 16), item(2, 100, 10), item(3, 100, 20)], policy.analysis)


def flagged(policy: Policy) -> Any:
    return [
        travel_flag([TextUnit("bio", text)], policy.screening) is not None
        for text in ("retreat, sign up", "safari, sign up", "retreat, reserve today", "retreat, apply")
    ]


def prices(policy: Policy) -> Any:
    table = PriceTable(policy)
    return [table.price({key: 1_000_000}) for key in sorted(policy.prices)]


def drifted(policy: Policy) -> Any:
    bill = Bill(operation="apify.patreon", units={"apify.patreon": 2}, reported_micros=22_000)
    found = judged(bill, policy.prices, policy.price_drift)
    return found is not None and found.drifts


def estimated(policy: Policy) -> Any:
    return [estimate_search(100, 60, default_rates(PlatformKey(key), policy.estimate)) for key in PLATFORMS]


def outreach(policy: Policy) -> Any:
    places = (None, "Germany", "US", "Brazil")
    return [outreach_decision(place, kind, policy) for place in places for kind in SubscriberKind], email_refusal(
        None, None, policy
    )


def searched(policy: Policy) -> Any:
    given = {"instagram": {}, "patreon": {"search_keywords": ["tea"]}, "facebook": {"keywords": ["tea"]}}
    return [validate_filters(platform(key).filter_model, raw, policy) for key, raw in given.items()]


def addresses(policy: Policy) -> Any:
    texts = ("write info@trail.example", "a@sentry.io", "noreply@trail.net", "ada@trail.png", "ada@newdomain.org")
    return [contact_emails(text, policy.emails) for text in texts]


def stale(policy: Policy) -> Any:
    run = FilterRun(batch_id="b", total_found=100, new_found=30, ran_at=NOW)
    return look_up_novelty([run], now=NOW, policy=policy.novelty)


def ideas(policy: Policy) -> Any:
    prompt = keyword_ideas_prompt(PromptWriter(policy, b"secret"), PlatformKey("patreon"), ["tea"])
    return prompt, keyword_ideas_schema(policy).json_schema


def started_from(policy: Policy) -> Any:
    try:
        return current_keywords([str(number) for number in range(50)], policy)
    except FilterProblems as refused:
        return refused.problems


def periods(policy: Policy) -> Any:
    return Periods.of(policy, NOW)


def crm_waits(policy: Policy) -> Any:
    daily = VendorError("hubspot", ErrorClass.THROTTLED, DAILY_LIMIT, retry_after_seconds=60)
    return [next_try_at(NOW, tries, policy.crm) for tries in (1, 2, 5)], resume_at(daily, NOW, policy.crm)


def crm_rows(policy: Policy) -> Any:
    known = CrmContact(object_id="1", properties={"city": "Oslo"}, is_ours=False)
    lead = ProposedContact(
        uid=LeadUid("u"), properties={"city": "Bergen", "email": "a@b.org"}, tier=None,
        email_status=EmailStatus.VALID, outreach=outreach_decision("US", SubscriberKind.COMPANY, policy),
    )  # fmt: skip
    return plan_row(lead, known, properties=crm_properties(policy), policy=policy), crm_properties(policy)


def read_back(policy: Policy) -> Any:
    return reading({"lifecyclestage": "customer", "hs_email_optout": "true"}, policy.crm)


def tripped(policy: Policy) -> Any:
    """When breakers of a vendor, and of one that is not named, open and are tried again."""
    results = [CallResult(trip=0, code="http_500"), CallResult(trip=0)] * 4
    vendors = [Rules.of(policy.breakers, vendor) for vendor in ("insightiq", "unheard_of")]
    states = [
        BreakerState().after(part, rules, 0.0)
        for rules in vendors
        for part in ([results[0]] * 2, [results[0]] * 4, [*results, results[0], results[0]], [*results[:6], results[0]])
    ]
    probed = [states[1].with_probe("p", until=rules.probe_seconds).allows_probe(100) for rules in vendors]
    return states, probed


def lit(policy: Policy) -> Any:
    figures = CallFigures()
    for number in range(100):
        figures.note(1, VendorError("v", ErrorClass.UNKNOWN, "lost") if number < 10 else None, NOW)
    bad = CallFigures()
    for number in range(100):
        bad.note(1, VendorError("v", ErrorClass.UNKNOWN, "lost") if number < 25 else None, NOW)
    return [light_of(BreakerState(), each, policy.health) for each in (figures, bad)]


EFFECTS = [
    (drifted, "price_drift.share", "0.2"), (drifted, "price_drift.least_usd", "0.03"),
    (crm_waits, "crm.retry_minutes.0", 20), (crm_waits, "crm.portal_time_zone", "Asia/Tokyo"),
    (crm_rows, "crm.existing_contact", "update"), (crm_rows, "crm.ownership.city", "ours"),
    (read_back, "crm.outcomes.0.value", "lead"), (read_back, "crm.outcomes.0.outcome", "lost"),
    (read_back, "crm.outcomes.0.property", "hs_lead_status"), (read_back, "crm.opt_out_property", "opted_out"),
    (tripped, "breakers.window", 5), (tripped, "breakers.failure_share", "0.9"),
    (tripped, "breakers.probe_seconds", 50), (tripped, "breakers.services.insightiq.failures_in_a_row", 2),
    (tripped, "breakers.services.insightiq.reset_seconds", 7), (tripped, "breakers.other.failures_in_a_row", 2),
    (lit, "health.green_from", "0.5"), (lit, "health.yellow_from", "0.7"),
    (tuned, "scoring.penalties.entertainment", "-0.2"), (tuned, "scoring.boosts.0.add", "0.2"),
    (tuned, "scoring.boosts.1.at_least", 90_000), (tuned, "scoring.boosts.2.add", "0.06"),
    (tuned, "scoring.engagement.per_post_above", "0.04"), (tuned, "scoring.engagement.per_post_below", "-0.01"),
    (tuned, "scoring.engagement.below_limit", "-0.01"), (tuned, "scoring.engagement.per_post_hidden", "-0.01"),
    (tuned, "scoring.engagement.hidden_limit", "-0.01"), (tuned, "scoring.engagement.total_limit", "0.05"),
    (tuned, "scoring.travel_floor.instagram", "0.6"), (tuned, "scoring.repeat_within", "0"),
    (tuned, "scoring.repeat_answers", 5), (tuned, "tiers.rows.0.at_least", "0.99"),
    (tuned, "tiers.rows.0.expected_precision", "0.5"), (tuned, "tiers.rows.1.at_least", "0.999"),
    (tuned, "tiers.rows.2.at_least", "0.7"), (active, "screening.max_inactive_days", 50),
    (active, "screening.max_gap_days", 50), (received, "analysis.min_likes", 90),
    (received, "analysis.min_comments", 9), (flagged, "screening.travel_words.0", "safari"),
    (flagged, "screening.booking_words.0", "apply"), (outreach, "outreach.assumed_country", "Germany"),
    (outreach, "outreach.rules.0.email_allowed", False), (outreach, "privacy.lawful_basis", None),
    (outreach, "privacy.notice_plan", None), (outreach, "crm.sync_without_email", True),
    (searched, "search.defaults.instagram.max_results", 9), (searched, "search.defaults.facebook.min_members", 9),
    (searched, "search.defaults.patreon.location", "Peru"), (addresses, "emails.blocked_domains.0", "newdomain.org"),
    (addresses, "emails.blocked_local_parts.0", "ada"), (addresses, "emails.blocked_suffixes.0", ".org"),
    (stale, "novelty.stale_below", "0.5"), (estimated, "estimate.pass_rates.discovered", "0.5"),
    (periods, "retention.media_days", 6), (periods, "retention.raw_days", 40), (periods, "retention.lead_days", 90),
    (periods, "retention.synced_days", 365), (periods, "retention.minor_hours", 12),
    (estimated, "estimate.pass_rates.screened", "0.5"), (prices, "prices.openai.gpt-4o.input.per", 10),
    (ideas, "llm.keyword_ideas", 5), (ideas, "prompts.keyword_ideas_v1.max_output_tokens", 300),
    (started_from, "llm.keywords_shown", 40),
]  # fmt: skip


@pytest.mark.parametrize(("effect", "key", "value"), EFFECTS, ids=[key for _, key, _ in EFFECTS])
def test_i_16_changing_a_key_changes_what_is_decided(effect: Any, key: str, value: Any):
    assert effect(changed(path_of(key), value)) != effect(POLICY)


def path_of(key: str) -> tuple[str | int, ...]:
    """'prices.openai.gpt-4o.input.per' names a price by a key with dots in it."""
    if key.startswith("prices."):
        head, _, last = key.removeprefix("prices.").rpartition(".")
        return ("prices", head, last)
    return tuple(int(part) if part.isdigit() else part for part in key.split("."))


def test_i_16_every_price_and_every_weight_counts():
    for key in POLICY.prices:
        assert prices(changed(("prices", key, "usd"), "0.9")) != prices(POLICY), key
    for key in PLATFORMS:
        for stage in POLICY.estimate.stage_usd[key]:
            path = ("estimate", "stage_usd", str(key), str(stage))
            assert estimated(changed(path, "0.9")) != estimated(POLICY), path
    document = POLICY.document()
    for one, other in itertools.pairwise(DIMENSIONS):
        weights = dict(document["scoring"]["weights"])
        weights |= {
            one: str(Decimal(weights[one]) - Decimal("0.05")),
            other: str(Decimal(weights[other]) + Decimal("0.05")),
        }
        assert tuned(changed(("scoring", "weights"), weights)) != tuned(POLICY), one
    with pytest.raises(PolicyError, match=r"sum to 1"):
        changed(("scoring", "weights", DIMENSIONS[0]), "0.9")


def test_i_16_the_revision_of_defaults_and_the_document_are_part_of_what_is_pinned():
    filters = searched(POLICY)[0]
    assert fingerprint(filters, changed(("defaults_rev",), 2)) != fingerprint(filters, POLICY)
    assert changed(("warnings", "low_yield"), "0.31").digest != POLICY.digest
