"""The health of every vendor as commands and the UI show it; what was not measured is shown as not measured (I-40)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.breaker import BreakerState
from socialanalyzer_dagster.domain.call_figures import CallFigures
from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.vendor_health import Light, VendorHealth, light_of
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage.breakers import change_breaker, load_breakers
from socialanalyzer_dagster.storage.database import shared_seconds
from socialanalyzer_dagster.storage.service_health import figures_since

LATELY = timedelta(minutes=15)
TODAY = timedelta(hours=24)
NOT_MEASURED = "not measured"
VENDORS = tuple(dict.fromkeys(operation.vendor for operation in OPERATIONS.values()))
COLUMNS = ("vendor", "health", "breaker", "calls 15 min", "calls 24 h", "success", "p50", "p95", "last error")


class NoSuchVendor(LookupError):
    """There is no vendor of that name."""


def vendor_health(connection: Connection, policy: Policy, now: datetime) -> list[VendorHealth]:
    """Every vendor the pipeline can call, whether or not it was called."""
    breakers = {vendor: stored.state for vendor, stored in load_breakers(connection).items()}
    lately, today = figures_since(connection, now - LATELY), figures_since(connection, now - TODAY)
    found = []
    for vendor in VENDORS:
        breaker, recent = breakers.get(vendor, BreakerState()), lately.get(vendor, CallFigures())
        health = VendorHealth(
            vendor=vendor,
            light=light_of(breaker, recent, policy.health),
            breaker=breaker,
            lately=recent,
            today=today.get(vendor, CallFigures()),
        )
        found.append(health)
    return found


def health_view(health: Sequence[VendorHealth]) -> list[dict[str, Any]]:
    """The `health --json` list."""
    return [
        {
            "vendor": each.vendor,
            "health": each.light.value,
            "breaker": {
                "state": each.breaker.phase.value,
                "needs_person": each.breaker.needs_person,
                "down_since": _moment(each.breaker.down_since),
                "retry_at": _moment(each.breaker.retry_at),
                "cause": each.breaker.code,
            },
            "last_15_minutes": _figures(each.lately),
            "last_24_hours": _figures(each.today),
        }
        for each in health
    ]


def health_rows(health: Sequence[VendorHealth]) -> list[tuple[str, ...]]:
    """The table of COLUMNS; rates and durations are of the last quarter of an hour, else of the last day."""
    return [_row(each) for each in health]


def _row(health: VendorHealth) -> tuple[str, ...]:
    shown = health.lately if health.lately.calls else health.today
    rate = shown.success_rate
    return (
        health.vendor,
        NOT_MEASURED if health.light is Light.NOT_MEASURED else health.light.value,
        health.breaker.phase.value + (" (needs a person)" if health.breaker.needs_person else ""),
        str(health.lately.calls),
        str(health.today.calls),
        NOT_MEASURED if rate is None else f"{rate:.1%}",
        _duration(shown.percentile_milliseconds(0.5)),
        _duration(shown.percentile_milliseconds(0.95)),
        shown.last_error or "-",
    )


def is_healthy(health: Sequence[VendorHealth]) -> bool:
    """True unless a vendor is red."""
    return all(each.light is not Light.RED for each in health)


def reset_breaker(workplace: Workplace, vendor: str, *, by: str) -> BreakerState:
    """Close a vendor's breaker, as a person who put things right says; audited. Raises NoSuchVendor."""
    if vendor not in VENDORS:
        raise NoSuchVendor(f"there is no vendor '{vendor}'; there are: {', '.join(VENDORS)}")
    with workplace.database.write() as connection:
        before = load_breakers(connection).get(vendor)
        change = change_breaker(connection, vendor, lambda state, _now: state.reset(), shared_seconds(connection))
        phase = before.state.phase.value if before is not None else BreakerState().phase.value
        audit_log.record(
            connection, at=workplace.clock.now(), actor=by, action="health.reset", subject=vendor, before=phase
        )
    return change


def _figures(figures: CallFigures) -> dict[str, Any]:
    return {
        "calls": figures.calls,
        "success_rate": figures.success_rate,
        "errors": dict(figures.failed),
        "mean_milliseconds": figures.mean_milliseconds,
        "p50_milliseconds": figures.percentile_milliseconds(0.5),
        "p95_milliseconds": figures.percentile_milliseconds(0.95),
        "last_error": figures.last_error,
        "last_error_at": figures.last_error_at,
    }


def _duration(milliseconds: int | None) -> str:
    return NOT_MEASURED if milliseconds is None else f"{milliseconds} ms"


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
