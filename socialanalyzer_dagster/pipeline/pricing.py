"""What a call may cost at most and what it did cost: exact sums, one rounding up per billed call (spec 12.3)."""

import math
from fractions import Fraction

from socialanalyzer_dagster.domain.calls import Reply, Units
from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.refusals import UnknownPrice
from socialanalyzer_dagster.domain.types import Micros


class PriceTable:
    """The policy's prices; in live mode one that nobody confirmed by name counts as missing (spec 12.3)."""

    def __init__(self, policy: Policy, *, live: bool = False) -> None:
        self._unconfirmed = unconfirmed_prices(policy) if live else frozenset()
        exact = {
            key: Fraction(price.usd) * MICROS_PER_USD / price.per
            for key, price in policy.prices.items()
            if key not in self._unconfirmed
        }
        self._parts_per_micro = math.lcm(*(price.denominator for price in exact.values()))
        self._parts_per_unit = {key: int(price * self._parts_per_micro) for key, price in exact.items()}

    def price(self, units: Units) -> Micros:
        """Micro-USD of these units, rounded up once; raises UnknownPrice for a unit the table does not list."""
        total: int | Fraction = 0
        for key, count in units.items():
            parts = self._parts_per_unit.get(key)
            if parts is None:
                raise UnknownPrice(key, is_unconfirmed=key in self._unconfirmed)
            total += parts * (count if isinstance(count, int) else Fraction(count))
        return Micros(-(-total // self._parts_per_micro))

    def require(self, vendor: str) -> None:
        """Raises UnknownPrice for the first price of a vendor that may not be used."""
        for key in sorted(self._unconfirmed):
            if key.startswith(f"{vendor}."):
                raise UnknownPrice(key, is_unconfirmed=True)

    def worst_case(self, operation: str, max_units: Units) -> Micros:
        """The most a spending call can cost; raises UnknownPrice also when the call names no unit at all."""
        if not max_units:
            raise UnknownPrice(operation)
        return self.price(max_units)

    def settled(self, reply: Reply) -> Micros:
        """What the vendor bills for an answer: its own figure where it reports one."""
        return Micros(reply.reported_micros) if reply.reported_micros is not None else self.price(reply.units)


def unconfirmed_prices(policy: Policy) -> frozenset[str]:
    """Keys of prices that are placeholders still (spec 12.3)."""
    return frozenset(key for key, price in policy.prices.items() if price.confirmed_on is None)
