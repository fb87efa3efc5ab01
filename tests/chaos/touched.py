"""Which leads a fault touched: told by the sandbox's log of the requests it answered wrongly."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.installation import Installation

REFUSALS = frozenset(
    {
        "rate_limited", "rate_limited_bare", "error_500", "error_502", "error_503", "error_504", "error_200",
        "closed_before", "closed_after", "hangs_before", "hangs_after", "truncated", "malformed",
        "memory_limit", "concurrency_limit", "locked", "ten_secondly_limit",
    }
)  # fmt: skip
"""Faults that give no content: whoever asks again gets the right one."""
DELAYS = frozenset({"slow", "drip"})
_LEAD = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def touched_leads(house: Installation, hits: Sequence[Mapping[str, Any]], platforms: Mapping[str, str]) -> set[str]:
    """Every lead that a fault may have changed; `platforms` are those of the leads that an undisturbed run finds.

    A request of one lead touches it, whatever the fault. One that many leads share (a search, a job of a chunk, a page
    of the CRM) touches them all, unless it only came late, or gave nothing and was answered rightly when it came again.
    Where there were faults, a lead that went without a vendor that was held to be unavailable is touched as well.
    """
    by_email = _leads_by_email(house)
    of_batch = _leads_of_batches(house, platforms)
    touched = _without_a_vendor(house) if hits else set()
    for hit in hits:
        batch, stage, named = (*hit["trace"].split(" "), "", "", "")[:3]
        leads = set(named.split(",")) if named else _named_in(hit, by_email)
        if not leads and stage == "discovered":
            leads = of_batch.get(batch, set())
        if len(leads) == 1 or not _is_healed(hit):
            touched |= leads
    return touched


def _without_a_vendor(house: Installation) -> set[str]:
    steps = house.rows("select lead_uid from step_results where state = 'provider_unavailable'")
    outcomes = house.rows("select lead_uid from stage_outcomes where is_current and code = 'provider_unavailable'")
    return {lead for (lead,) in (*steps, *outcomes)}


def _is_healed(hit: Mapping[str, Any]) -> bool:
    return hit["kind"] in DELAYS or bool(hit["kind"] in REFUSALS and hit["answered_later"])


def _named_in(hit: Mapping[str, Any], by_email: Mapping[str, set[str]]) -> set[str]:
    """The leads whose uid or address stands in the request itself."""
    said = f"{hit['target']} {hit['text']}"
    found = set(_LEAD.findall(said))
    for email in _EMAIL.findall(said.lower()):
        found |= by_email.get(email, set())
    return found


def _leads_by_email(house: Installation) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for lead, value in house.rows("select lead_uid, value from contact_candidates where field = 'email'"):
        found.setdefault(value.lower(), set()).add(lead)
    return found


def _leads_of_batches(house: Installation, platforms: Mapping[str, str]) -> dict[str, set[str]]:
    """Batch -> the leads it found, and those it should have found."""
    found: dict[str, set[str]] = {}
    for batch, platform in house.rows("select batch_id, platform from lead_batches"):
        found[batch] = {lead for lead, of in platforms.items() if of == platform}
    for batch, lead in house.rows("select batch_id, lead_uid from batch_leads"):
        found[batch].add(lead)
    return found
