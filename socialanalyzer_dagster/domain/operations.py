"""The wire facts of every vendor operation: who bills when, and what may be repeated (vendor-contracts section 0)."""

from dataclasses import dataclass
from enum import StrEnum


class Billing(StrEnum):
    """When an operation is charged."""

    ATTEMPT = "attempt"
    HIT = "hit"
    RESULT = "result"
    NONE = "none"


class Repeat(StrEnum):
    """What a second identical request does."""

    SAFE = "safe"
    PAYS_AGAIN = "pays_again"
    ASK_FIRST = "ask_first"


@dataclass(frozen=True, slots=True)
class Operation:
    """`bucket` names limits of the policy; `answered_5xx_is_free` where the contract says an error is not billed."""

    key: str
    vendor: str
    billing: Billing
    repeat: Repeat
    bucket: str
    answered_5xx_is_free: bool = True

    @property
    def spends(self) -> bool:
        """True when a call can cost money."""
        return self.billing is not Billing.NONE


def _table(*rows: Operation) -> dict[str, Operation]:
    return {row.key: row for row in rows}


_A, _H, _R, _N = Billing.ATTEMPT, Billing.HIT, Billing.RESULT, Billing.NONE
_SAFE, _PAYS, _ASK = Repeat.SAFE, Repeat.PAYS_AGAIN, Repeat.ASK_FIRST

OPERATIONS: dict[str, Operation] = _table(
    Operation("insightiq.search_export", "insightiq", _R, _ASK, "insightiq", answered_5xx_is_free=False),
    Operation("insightiq.search_export_page", "insightiq", _N, _SAFE, "insightiq"),
    Operation("insightiq.contents_fetch", "insightiq", _A, _PAYS, "insightiq", answered_5xx_is_free=False),
    Operation("insightiq.status", "insightiq", _N, _SAFE, "insightiq"),
    Operation("apify.google_search", "apify", _R, _ASK, "apify_start", answered_5xx_is_free=False),
    Operation("apify.cheerio", "apify", _R, _ASK, "apify_start", answered_5xx_is_free=False),
    Operation("apify.instagram_profile", "apify", _R, _ASK, "apify_start", answered_5xx_is_free=False),
    Operation("apify.twitter_user", "apify", _R, _ASK, "apify_start", answered_5xx_is_free=False),
    Operation("apify.leads_finder", "apify", _R, _ASK, "apify_start", answered_5xx_is_free=False),
    Operation("apify.patreon", "apify", _R, _ASK, "apify_start", answered_5xx_is_free=False),
    Operation("apify.read", "apify", _N, _SAFE, "apify"),
    Operation("apollo.people_match", "apollo", _H, _PAYS, "apollo"),
    Operation("apollo.status", "apollo", _N, _SAFE, "apollo"),
    Operation("email_verifier.single", "email_verifier", _A, _PAYS, "email_verifier"),
    Operation("email_verifier.credits", "email_verifier", _N, _SAFE, "email_verifier"),
    Operation("openai.chat", "openai", _A, _PAYS, "openai"),
    Operation("openai.transcription", "openai", _A, _PAYS, "openai"),
    Operation("openai.status", "openai", _N, _SAFE, "openai"),
    Operation("hubspot.read", "hubspot", _N, _SAFE, "hubspot"),
    Operation("hubspot.search", "hubspot", _N, _SAFE, "hubspot_search"),
    Operation("hubspot.write", "hubspot", _N, _SAFE, "hubspot_write"),
    Operation("media.download", "media", _N, _SAFE, "media"),
    Operation("page.fetch", "page_fetcher", _N, _SAFE, "page_fetcher"),
)
