"""The CRM's contact properties by name and kind, as data (spec 11.4); who owns each is in the policy (crm_table)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

UNIQUE_PROPERTY = "creator_uid"
"""Our own unique property: the upsert key (spec 11.3)."""
BDR_PROPERTY = "bdr_"
CHOICE_SEPARATOR = ";"


LIFECYCLE_PROPERTY = "lifecyclestage"
OWNER_PROPERTY = "hubspot_owner_id"
MERGED_PROPERTY = "hs_merged_object_ids"
"""Ids of the contacts that were merged into one, which the CRM itself keeps."""


class WriteRule(StrEnum):
    """Who owns a property: ours, always current; only if blank; only on create; never written at all (spec 11.4)."""

    OURS = "ours"
    IF_BLANK = "if_blank"
    ON_CREATE = "on_create"
    NEVER = "never"


FIXED_RULES = {UNIQUE_PROPERTY: WriteRule.ON_CREATE, BDR_PROPERTY: WriteRule.ON_CREATE}
"""Not for a policy to change: who a contact is, and whose it is, are said once (spec 11.3, 11.5)."""


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

VENDORS_OWN = frozenset({"email", "firstname", "phone", "website", "twitterhandle", "city", "state", "country"})
"""Properties of the table that every account has."""

_NAMES_BY_KIND: Mapping[ValueKind, tuple[str, ...]] = {
    ValueKind.TEXT: (
        UNIQUE_PROPERTY, BDR_PROPERTY, "first_and_last_name", "flagship_social_platform",
        "flagship_social_platform_handle", "patreon_title", "facebook_group_link", "facebook_group_name",
        "enrichment_error_details", "lead_batch_id", "policy_version", "evidence_link", "contact_source",
        *LINK_PROPERTIES, *sorted(VENDORS_OWN - {"email"}),
    ),
    ValueKind.EMAIL: ("email",),
    ValueKind.LONG_TEXT: (
        "instagram_bio", "patreon_description", "facebook_group_description", "score_reasoning",
        "content_summary_structured", *PROFILE_PROPERTIES,
    ),
    ValueKind.NUMBER: (
        "instagram_followers", "average_engagement", "total_patrons", "paid_patrons", "facebook_group_size",
        "lead_score", "manual_score", "follower_boost_applied", "engagement_adjustment_applied",
        "category_penalty_applied", "expected_precision", *SCORE_PROPERTIES.values(), "items_analyzed",
    ),
    ValueKind.FLAG: ("has_community_platform",),
    ValueKind.MOMENT: ("analyzed_at", "notice_due_at"),
    ValueKind.CHOICE: (
        "email_verification_status", "email_outreach", "priority_tier", "primary_category", "enrichment_status",
    ),
    ValueKind.CHOICES: ("community_platforms_detected",),
}  # fmt: skip
KINDS: Mapping[str, ValueKind] = {name: kind for kind, names in _NAMES_BY_KIND.items() for name in names}
"""Every property that code fills; a policy adds those of its constants and its legal basis."""
