"""The vendors' bill: what every accepted call cost, per vendor and price key, to the micro-USD."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from socialanalyzer_dagster.sandbox.clock import SandboxClock
from socialanalyzer_dagster.sandbox.prices import micros_per_unit
from socialanalyzer_dagster.sandbox.store import Store

Units = int | Decimal | Fraction


@dataclass(frozen=True)
class Charge:
    """One billed call: its number on the bill and its whole price in micro-USD."""

    number: int
    micros: int

    @property
    def usd(self) -> float:
        """The price in dollars, as vendors report it in JSON."""
        return self.micros / 1_000_000


class Bill:
    """Append-only bill, kept in the store; totals are always the sums of its rows."""

    def __init__(self, store: Store, clock: SandboxClock) -> None:
        self._store = store
        self._clock = clock
        self._prices = micros_per_unit()
        self._raised: dict[str, Fraction] = {}

    def raise_prices(self, vendor: str, factor: Fraction) -> None:
        """From now on the vendor's prices are its listed ones times ``factor``."""
        self._raised[vendor] = factor

    def price_micros(self, price_key: str) -> Fraction:
        """Exact micro-USD per unit; KeyError for a key that no vendor charges."""
        return self._prices[price_key] * self._raised.get(price_key.split(".", 1)[0], Fraction(1))

    def quote(self, items: Mapping[str, Units], *, factor: Units = 1) -> int:
        """Micro-USD one call with these units would cost: the exact sum, rounded up once."""
        return math.ceil(
            sum((Fraction(units) * self.price_micros(key) for key, units in items.items()), Fraction(0))
            * Fraction(factor)
        )

    def charge(
        self, vendor: str, operation: str, items: Mapping[str, Units], *, factor: Units = 1, reference: str = ""
    ) -> Charge:
        """Bill one call: ``items`` maps price keys to units (tokens, profiles, pages, minutes, ...).

        The call's price is the exact sum of units x price x factor, rounded up once to a whole micro-USD; the
        rows of its price keys add up to exactly that. ``reference`` is a vendor-side id to find the row by.
        """
        number = self._store.increment("bill.calls")
        exact, written = Fraction(0), 0
        for key, units in items.items():
            exact += Fraction(units) * self.price_micros(key) * Fraction(factor)
            row_micros = math.ceil(exact) - written
            written += row_micros
            self._store.execute(
                "INSERT INTO bill (call, vendor, operation, price_key, units, micros, reference, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (number, vendor, operation, key, str(Fraction(units)), row_micros, reference, self._clock.iso()),
            )
        return Charge(number, written)

    def total_micros(self, vendor: str | None = None) -> int:
        """Everything billed so far, of one vendor or of all."""
        rows = self._store.select(
            "SELECT COALESCE(SUM(micros), 0) FROM bill WHERE ? IS NULL OR vendor = ?", (vendor, vendor)
        )
        return int(rows[0][0])

    def rows(self, *, limit: int, after: int = 0) -> list[dict[str, Any]]:
        """Up to ``limit`` bill rows with a number above ``after``, oldest first."""
        columns = "n, call, vendor, operation, price_key, units, micros, reference, at"
        found = self._store.select(
            f"SELECT {columns} FROM bill WHERE n > ? ORDER BY n LIMIT ?",  # noqa: S608 - constant columns
            (after, limit),
        )
        return [dict(zip(columns.split(", "), row, strict=True)) for row in found]

    def summary(self) -> dict[str, Any]:
        """``total_micros``, and per vendor ``micros``, ``calls`` and per price key ``calls, units, micros, usd``."""
        vendors: dict[str, Any] = {}
        sums = self._store.select(
            "SELECT vendor, price_key, COUNT(DISTINCT call), SUM(micros) FROM bill "
            "GROUP BY vendor, price_key ORDER BY vendor, price_key"
        )
        units = self._units_by_key()
        for vendor, key, calls, micros in sums:
            entry = vendors.setdefault(vendor, {"micros": 0, "calls": 0, "price_keys": {}})
            entry["micros"] += micros
            entry["price_keys"][key] = {
                "calls": calls,
                "units": _number(units[vendor, key]),
                "micros": micros,
                "usd": str(Decimal(micros) / 1_000_000),
            }
        for vendor, calls in self._store.select("SELECT vendor, COUNT(DISTINCT call) FROM bill GROUP BY vendor"):
            vendors[vendor]["calls"] = calls
        return {"total_micros": sum(entry["micros"] for entry in vendors.values()), "vendors": vendors}

    def _units_by_key(self) -> dict[tuple[str, str], Fraction]:
        totals: dict[tuple[str, str], Fraction] = {}
        for vendor, key, units, times in self._store.select(
            "SELECT vendor, price_key, units, COUNT(*) FROM bill GROUP BY vendor, price_key, units"
        ):
            totals[vendor, key] = totals.get((vendor, key), Fraction(0)) + Fraction(units) * times
        return totals


def _number(units: Fraction) -> int | float:
    return int(units) if units.denominator == 1 else float(units)
