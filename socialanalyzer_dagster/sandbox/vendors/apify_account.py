"""The account of the simulated Apify: its limits, its monthly usage (from the bill), and who it is."""

import calendar
from typing import Any

from starlette.responses import Response

from socialanalyzer_dagster.sandbox.clock import iso_millis
from socialanalyzer_dagster.sandbox.vendors.apify_runs import RUNS, TERMINAL
from socialanalyzer_dagster.sandbox.vendors.apify_wire import USER_ID, data_response
from socialanalyzer_dagster.sandbox.wire import Call

MOST_MONTHLY_USD = 100_000
MOST_CONCURRENT_RUNS = 32


def _cycle(call: Call) -> dict[str, str]:
    now = call.state.clock.now()
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_day = calendar.monthrange(now.year, now.month)[1]
    last = first.replace(day=last_day, hour=23, minute=59, second=59, microsecond=999_000)
    return {"startAt": iso_millis(first), "endAt": iso_millis(last)}


def _spent_usd(call: Call) -> float:
    return call.state.bill.total_micros("apify") / 1_000_000


def limits(call: Call) -> Response:
    """Answer the account's limits and what is used of them."""
    active = sum(1 for _key, row in call.state.store.items(RUNS) if row["status"] not in TERMINAL)
    body: dict[str, Any] = {
        "monthlyUsageCycle": _cycle(call),
        "limits": {
            "maxMonthlyUsageUsd": MOST_MONTHLY_USD,
            "maxMonthlyActorComputeUnits": 100_000,
            "maxMonthlyExternalDataTransferGbytes": 100,
            "maxMonthlyProxySerps": 300_000,
            "maxMonthlyResidentialProxyGbytes": 100,
            "maxActorMemoryGbytes": 64,
            "maxActorCount": 100,
            "maxActorTaskCount": 1000,
            "maxConcurrentActorJobs": MOST_CONCURRENT_RUNS,
            "maxTeamAccountSeatCount": 3,
            "dataRetentionDays": 14,
        },
        "current": {
            "monthlyUsageUsd": MOST_MONTHLY_USD if call.fault == "usage_spent" else _spent_usd(call),
            "monthlyActorComputeUnits": 0,
            "monthlyExternalDataTransferGbytes": 0,
            "monthlyProxySerps": 0,
            "monthlyResidentialProxyGbytes": 0,
            "actorMemoryGbytes": active,
            "actorCount": 0,
            "actorTaskCount": 0,
            "activeActorJobCount": active,
            "teamAccountSeatCount": 1,
        },
    }
    return data_response(body)


def monthly_usage(call: Call) -> Response:
    """Answer this month's usage; one service, the paid actors."""
    spent = _spent_usd(call)
    services = {"PAID_ACTORS_PER_EVENT": {"quantity": spent, "baseAmountUsd": spent}}
    day = call.state.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    body = {
        "usageCycle": _cycle(call),
        "monthlyServiceUsage": services,
        "dailyServiceUsages": [{"date": iso_millis(day), "serviceUsage": services, "totalUsageCreditsUsd": spent}],
        "totalUsageCreditsUsdBeforeVolumeDiscount": spent,
        "totalUsageCreditsUsdAfterVolumeDiscount": spent,
    }
    return data_response(body)


def user(_call: Call) -> Response:
    """Answer who the token belongs to."""
    return data_response({"id": USER_ID, "username": "sandbox", "profile": {"name": "Sandbox"}, "isPaying": True})
