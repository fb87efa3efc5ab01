"""The CRM's contact properties with their write rules and types, as data (spec 11.4); CRM names appear only here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.policy import Policy

UNIQUE_PROPERTY = "creator_uid"
"""Our own unique property: the upsert key (spec 11.3)."""
BDR_PROPERTY = "bdr_"
CHOICE_SEPARATOR = ";"


class WriteRule(StrEnum):
    """O = ours, always current; B = only if blank; C = only on create."""

    OURS = "O"
    IF_BLANK = "B"
    ON_CREATE = "C"


class ValueKind(StrEnum):
    """How a value is written and compared; the CRM's type and field type stand in TYPES."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    EMAIL = "email"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"
    MOMENT = "moment"


TYPES: dict[ValueKind, tuple[str, str]] = {
    ValueKind.TEXT: ("string", "text"),
    ValueKind.LONG_TEXT: ("string", "textarea"),
    ValueKind.EMAIL: ("string", "text"),
    ValueKind.NUMBER: ("number", "number"),
    ValueKind.FLAG: ("bool", "booleancheckbox"),
    ValueKind.CHOICE: ("enumeration", "select"),
    ValueKind.CHOICES: ("enumeration", "checkbox"),
    ValueKind.MOMENT: ("datetime", "date"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmProperty:
    """One property of the table; `is_vendors` = every account has it, so set-up never creates it."""

    name: str
    rule: WriteRule
    kind: ValueKind
    label: str
    options: tuple[str, ...] = ()
    is_unique: bool = False
    is_vendors: bool = False

    @property
    def labels(self) -> Mapping[str, str]:
        """The values of a choice with their labels; empty for other kinds."""
        return {"true": "Yes", "false": "No"} if self.kind is ValueKind.FLAG else {each: each for each in self.options}


SCORE_PROPERTIES = {
    "niche_and_audience_identity": "score_niche_and_audience",
    "creator_authenticity_and_presence": "score_host_likeability",
    "monetization_and_business_mindset": "score_monetization",
    "community_infrastructure": "score_community_infrastructure",
    "engagement_and_connection": "score_trip_fit",
}
"""Dimension -> property (spec 10.1)."""
LINK_PROPERTIES = {
    "website": "personal_website",
    "instagram_handle": "instagram",
    "youtube_profile_link": "youtube",
    "tiktok_handle": "tiktok",
    "facebook_profile_link": "facebook",
    "patreon_link": "patreon",
    "pinterest_profile_link": "pinterest",
}
"""Property -> link kind whose URL it holds."""
PROFILE_PROPERTIES = {
    "profile_category": "content_category",
    "profile_content_types": "content_types",
    "profile_engagement": "audience_engagement",
    "profile_presence": "creator_presence",
    "profile_monetization": "monetization",
    "profile_community_building": "community_building",
}
"""Property -> field of the creator profile S-7."""
EMAIL_ALLOWED, EMAIL_NOT_ALLOWED = "allowed", "not_allowed"

_TEXT_BY_RULE: tuple[tuple[WriteRule, ValueKind, tuple[str, ...]], ...] = (
    (WriteRule.IF_BLANK, ValueKind.TEXT, ("first_and_last_name", *(p for p in LINK_PROPERTIES if p != "website"))),
    (WriteRule.OURS, ValueKind.TEXT, ("flagship_social_platform", "flagship_social_platform_handle", "patreon_title",
                                      "facebook_group_link", "facebook_group_name", "enrichment_error_details",
                                      "lead_batch_id", "policy_version", "evidence_link", "contact_source")),
    (WriteRule.OURS, ValueKind.LONG_TEXT, ("instagram_bio", "patreon_description", "facebook_group_description",
                                           "score_reasoning", "content_summary_structured", *PROFILE_PROPERTIES)),
    (WriteRule.OURS, ValueKind.NUMBER, ("instagram_followers", "average_engagement", "total_patrons", "paid_patrons",
                                        "facebook_group_size", "lead_score", "manual_score", "follower_boost_applied",
                                        "engagement_adjustment_applied", "category_penalty_applied",
                                        "expected_precision", *SCORE_PROPERTIES.values(), "items_analyzed")),
    (WriteRule.OURS, ValueKind.FLAG, ("has_community_platform",)),
    (WriteRule.OURS, ValueKind.MOMENT, ("analyzed_at",)),
    (WriteRule.ON_CREATE, ValueKind.MOMENT, ("notice_due_at",)),
    (WriteRule.ON_CREATE, ValueKind.TEXT, (BDR_PROPERTY,)),
)  # fmt: skip
_VENDORS = ("firstname", "phone", "website", "twitterhandle", "city", "state", "country")


def crm_properties(policy: Policy) -> dict[str, CrmProperty]:
    """Every property of spec 11.4 by name, with the options that the policy's words need."""
    found = [*_fixed(), *_chosen(policy)]
    return {one.name: one for one in found}


def _fixed() -> Iterator[CrmProperty]:
    yield CrmProperty(
        name=UNIQUE_PROPERTY, rule=WriteRule.ON_CREATE, kind=ValueKind.TEXT, label="Creator uid", is_unique=True
    )
    yield CrmProperty(name="email", rule=WriteRule.IF_BLANK, kind=ValueKind.EMAIL, label="Email", is_vendors=True)
    for name in _VENDORS:
        yield CrmProperty(name=name, rule=WriteRule.IF_BLANK, kind=ValueKind.TEXT, label=_label(name), is_vendors=True)
    for rule, kind, names in _TEXT_BY_RULE:
        for name in names:
            yield CrmProperty(name=name, rule=rule, kind=kind, label=_label(name))


def _chosen(policy: Policy) -> Iterator[CrmProperty]:
    communities = (*policy.crm.community_labels.values(), policy.crm.no_community_label)
    ours: tuple[tuple[str, ValueKind, tuple[str, ...]], ...] = (
        (
            "email_verification_status",
            ValueKind.CHOICE,
            (EmailStatus.VALID, EmailStatus.CATCH_ALL, EmailStatus.UNKNOWN),
        ),
        ("email_outreach", ValueKind.CHOICE, (EMAIL_ALLOWED, EMAIL_NOT_ALLOWED)),
        ("priority_tier", ValueKind.CHOICE, tuple(dict.fromkeys(row.tier for row in policy.tiers.rows))),
        ("primary_category", ValueKind.CHOICE, tuple(policy.categories.labels.values())),
        ("community_platforms_detected", ValueKind.CHOICES, communities),
        ("enrichment_status", ValueKind.CHOICE, ("success", "warning")),
    )
    for name, kind, options in ours:
        yield CrmProperty(
            name=name, rule=WriteRule.OURS, kind=kind, label=_label(name), options=tuple(map(str, options))
        )
    constants: dict[str, list[str]] = {}
    for values in policy.crm.constants.values():
        for name, value in values.items():
            constants.setdefault(name, []).append(value)
    for name, values_seen in constants.items():
        yield CrmProperty(
            name=name,
            rule=WriteRule.ON_CREATE,
            kind=ValueKind.CHOICE,
            label=_label(name),
            options=tuple(dict.fromkeys(values_seen)),
        )
    yield CrmProperty(
        name=policy.crm.legal_basis_property,
        rule=WriteRule.ON_CREATE,
        kind=ValueKind.TEXT,
        label="Legal basis",
        is_vendors=True,
    )


def _label(name: str) -> str:
    return name.strip("_").replace("_", " ").capitalize()
