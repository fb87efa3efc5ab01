"""Whether and how a person may be written to, and what that means for the CRM (spec 8.6, 11.5, 19.1, 19.3)."""

from dataclasses import dataclass
from enum import StrEnum

from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_crm import OutreachRule

_ALPHA_2 = 2


class SubscriberKind(StrEnum):
    """Who an address belongs to; unknown is treated as an individual."""

    COMPANY = "company"
    SOLE_TRADER = "sole_trader"
    INDIVIDUAL = "individual"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutreachDecision:
    """`country` is an ISO code where it could be told; `code` is the reason why the contact is not synced, or None."""

    country: str
    is_assumed: bool
    email_allowed: bool
    code: str | None


def outreach_decision(
    country: str | None, kind: SubscriberKind, policy: Policy, *, target_country: str | None = None
) -> OutreachDecision:
    """What spec 19.3 allows for a contact.

    An unknown country takes the search's target country, else the policy's, and is marked assumed; a country that no
    rule names is not allowed until a rule is set.
    """
    stated = country_code(country, policy) if country and country.strip() else None
    code = stated or country_code(target_country or policy.outreach.assumed_country, policy)
    rule = _rule(code, kind, policy)
    return OutreachDecision(
        country=code,
        is_assumed=stated is None,
        email_allowed=rule is not None and rule.email_allowed and policy.privacy.lawful_basis is not None,
        code=_refusal(rule, policy),
    )


def country_code(country: str, policy: Policy) -> str:
    """The ISO code of a country's name or code; text that names none of them comes back as it is."""
    text = one_line(country)
    if (named := policy.outreach.country_names.get(text.casefold())) is not None:
        return named
    return text.upper() if len(text) == _ALPHA_2 and text.isascii() and text.isalpha() else text


def named_country(place: str | None, policy: Policy) -> str | None:
    """The ISO code of the country that a search's place names: 'Berlin, Germany' or 'DE' -> 'DE'; else None.

    Two letters after a comma name a state as often as a country ('Wilmington, DE'), so they count for nothing.
    """
    if place is None:
        return None
    if (last := policy.outreach.country_names.get(one_line(place.rpartition(",")[2]).casefold())) is not None:
        return last
    code = country_code(place, policy)
    return code if any(code in rule.countries for rule in policy.outreach.rules) else None


def email_refusal(email: str | None, status: EmailStatus | None, policy: Policy) -> str | None:
    """The code that keeps a contact out of the CRM because of its address, or None (spec 8.6, I-7)."""
    if email is None:
        return None if policy.crm.sync_without_email else "held_no_email"
    refusals = {
        EmailStatus.INVALID: "email_invalid",
        EmailStatus.DISPOSABLE: "email_disposable",
        EmailStatus.UNVERIFIED: "held_email_unverified",
        None: "held_email_unverified",
    }
    return refusals.get(status)


@dataclass(frozen=True, slots=True)
class QueueDecision:
    """Whether a lead is dealt to a BDR; `cause` says why a lead of the enrolled tier is dealt all the same."""

    is_dealt: bool
    cause: str | None = None


def queue_decision(
    tier: str | None, status: EmailStatus | None, outreach: OutreachDecision, policy: Policy
) -> QueueDecision:
    """Enrolled leads stay out of the queue only with a valid address, a lawful basis and e-mail allowed (spec 11.5)."""
    if tier != policy.tiers.enrolled:
        return QueueDecision(is_dealt=True)
    if status is not EmailStatus.VALID:
        return QueueDecision(is_dealt=True, cause="email_not_valid")
    if policy.privacy.lawful_basis is None:
        return QueueDecision(is_dealt=True, cause="no_lawful_basis")
    if not outreach.email_allowed:
        return QueueDecision(is_dealt=True, cause="email_not_allowed")
    return QueueDecision(is_dealt=False)


def _rule(code: str, kind: SubscriberKind, policy: Policy) -> OutreachRule | None:
    rules = policy.outreach.rules
    return next((rule for rule in rules if code in rule.countries and kind in rule.subscriber_kinds), None)


def _refusal(rule: OutreachRule | None, policy: Policy) -> str | None:
    if policy.privacy.lawful_basis is None:
        return "held_lawful_basis"
    if rule is None:
        return "outreach_not_allowed"
    return "held_notice_plan" if rule.needs_notice_plan and policy.privacy.notice_plan is None else None
