"""What a round left behind: every lead as exported, its way through the stages, and the money of each operation."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socialanalyzer_dagster.pipeline.lead_exports import exported_leads
from tests.chaos.installation import Installation

_DEALT = "bdr"
"""Who is dealt a lead depends on which batch is planned first, so it is no part of a lead's result."""


@dataclass(frozen=True)
class Money:
    """One operation: what the vendors billed, and what our ledger has settled and unknown, in micro-USD and calls."""

    billed: int
    settled: int
    unknown: int
    billed_calls: int
    settled_calls: int
    unknown_calls: int


@dataclass(frozen=True)
class Result:
    """Leads by uid, and money by operation."""

    leads: Mapping[str, Any]
    money: Mapping[str, Money]
    emails: Mapping[str, str]
    """Contact in the CRM -> its address."""


def result_of(house: Installation) -> Result:
    """Read an installation whose batches have ended."""
    emails = {each["creator_uid"]: each.get("email") or "" for each in house.vendors.contacts()}
    return Result(leads=_leads(house), money=_money(house), emails=emails)


def _leads(house: Installation) -> dict[str, Any]:
    ways: defaultdict[str, list[Any]] = defaultdict(list)
    for lead, *outcome in house.rows(
        "select lead_uid, stage, result, code, retryable from stage_outcomes where is_current order by 1, 2"
    ):
        ways[lead].append(outcome)
    scores = {
        lead: score
        for lead, *score in house.rows("select lead_uid, base, lead_score, tier from scores where kind = 'live'")
    }
    with house.database.read() as connection:
        exported = list(exported_leads(connection))
    return {
        row["lead_uid"]: ({**row, _DEALT: ""}, ways[row["lead_uid"]], scores.get(row["lead_uid"])) for row in exported
    }


def _money(house: Installation) -> dict[str, Money]:
    billed: Counter[str] = Counter()
    calls: defaultdict[str, set[int]] = defaultdict(set)
    for row in house.vendors.bill():
        operation = operation_of(row["price_key"])
        billed[operation] += row["micros"]
        calls[operation].add(row["call"])
    ours = {
        operation: sums
        for operation, *sums in house.rows(
            "select operation, coalesce(sum(settled_micros), 0), "
            "coalesce(sum(case when state = 'unknown' then reserved_micros end), 0), "
            "count(case when settled_micros > 0 then 1 end), count(case when state = 'unknown' then 1 end) "
            "from provider_attempts group by operation"
        )
    }
    return {
        each: Money(billed[each], int(ours[each][0]), int(ours[each][1]), len(calls[each]), *ours[each][2:])
        for each in sorted({*billed, *ours})
        if each in ours or billed[each]
    }


def operation_of(price_key: str) -> str:
    """Our name of the operation whose price it is."""
    if price_key.startswith("openai."):
        is_audio = "whisper" in price_key or "transcribe" in price_key
        return "openai.transcription" if is_audio else "openai.chat"
    return price_key.removesuffix(".start")
