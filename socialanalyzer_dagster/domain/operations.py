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
    """What a second identical request does; `ask_first` = whoever lost the answer looks before anything is sent."""

    SAFE = "safe"
    PAYS_AGAIN = "pays_again"
    ASK_FIRST = "ask_first"


@dataclass(frozen=True, slots=True)
class Operation:
    """`bucket` names limits of the policy; `answered_5xx_is_free` where the contract says an error is not billed.

    `reads` is the free operation that polls and reads a job which this operation starts. `asks_many_hosts` where there
    is no one vendor behind it, but public hosts that fail each on its own.
    """

    key: str
    vendor: str
    billing: Billing
    repeat: Repeat
    bucket: str
    answered_5xx_is_free: bool = True
    reads: str | None = None
    asks_many_hosts: bool = False

    @property
    def spends(self) -> bool:
        """True when a call can cost money."""
        return self.billing is not Billing.NONE


def _job(key: str, vendor: str, bucket: str, reads: str) -> Operation:
    return Operation(key, vendor, Billing.RESULT, Repeat.ASK_FIRST, bucket, answered_5xx_is_free=False, reads=reads)


def _table(*rows: Operation) -> dict[str, Operation]:
    return {row.key: row for row in rows}


_A, _H, _N = Billing.ATTEMPT, Billing.HIT, Billing.NONE
_SAFE, _PAYS = Repeat.SAFE, Repeat.PAYS_AGAIN

OPERATIONS: dict[str, Operation] = _table(
    _job("insightiq.search_export", "insightiq", "insightiq", reads="insightiq.search_export_page"),
    Operation("insightiq.search_export_page", "insightiq", _N, _SAFE, "insightiq"),
    Operation("insightiq.contents_fetch", "insightiq", _A, _PAYS, "insightiq", answered_5xx_is_free=False),
    Operation("insightiq.status", "insightiq", _N, _SAFE, "insightiq"),
    _job("apify.google_search", "apify", "apify_start", reads="apify.read"),
    _job("apify.cheerio", "apify", "apify_start", reads="apify.read"),
    _job("apify.instagram_profile", "apify", "apify_start", reads="apify.read"),
    _job("apify.twitter_user", "apify", "apify_start", reads="apify.read"),
    _job("apify.leads_finder", "apify", "apify_start", reads="apify.read"),
    _job("apify.patreon", "apify", "apify_start", reads="apify.read"),
    Operation("apify.read", "apify", _N, _SAFE, "apify"),
    Operation("apollo.people_match", "apollo", _H, _PAYS, "apollo"),
    Operation("apollo.status", "apollo", _N, _SAFE, "apollo"),
    Operation("email_verifier.single", "email_verifier", _A, _PAYS, "email_verifier"),
    Operation("email_verifier.credits", "email_verifier", _N, _SAFE, "email_verifier"),
    Operation("openai.chat", "openai", _A, _PAYS, "openai"),
    Operation("openai.transcription", "openai", _A, _PAYS, "openai"),
    _job("openai.batch", "openai", "openai", reads="openai.batch_read"),
    Operation("openai.batch_read", "openai", _N, _SAFE, "openai"),
    Operation("openai.status", "openai", _N, _SAFE, "openai"),
    Operation("hubspot.read", "hubspot", _N, _SAFE, "hubspot"),
    Operation("hubspot.search", "hubspot", _N, _SAFE, "hubspot_search"),
    Operation("hubspot.write", "hubspot", _N, Repeat.ASK_FIRST, "hubspot_write"),  # somebody may edit in between
    Operation("hubspot.set", "hubspot", _N, _SAFE, "hubspot_write"),
    Operation("hubspot.gdpr_delete", "hubspot", _N, _SAFE, "hubspot_write"),
    Operation("hubspot.webhook", "hubspot", _N, _PAYS, "hubspot"),  # free, but a second one starts the workflow again
    Operation("media.download", "media", _N, _SAFE, "media", asks_many_hosts=True),
    Operation("page.fetch", "page_fetcher", _N, _SAFE, "page_fetcher", asks_many_hosts=True),
)
