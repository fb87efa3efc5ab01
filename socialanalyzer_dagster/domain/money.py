"""Micro-USD arithmetic: exact inside, dollars only for display (spec 1.2)."""

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from socialanalyzer_dagster.domain.types import Micros

MICROS_PER_USD = 1_000_000
CENT_MICROS = 10_000


def micros_from_usd(usd: Decimal) -> Micros:
    """Whole micro-USD of a dollar amount, rounded up: a price is never understated."""
    return Micros(int((usd * MICROS_PER_USD).to_integral_value(rounding=ROUND_CEILING)))


def usd_text(micros: int) -> str:
    """Dollars for people, rounded half up to cents: 82625000 -> '$82.63'; less than a cent never looks like nothing."""
    if 0 < abs(micros) < CENT_MICROS:
        return "under $0.01" if micros > 0 else "above -$0.01"
    cents = (Decimal(micros) / MICROS_PER_USD).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    return f"-${-cents:,.2f}" if cents < 0 else f"${cents:,.2f}"


def split_exactly(amount_micros: int, shares: int) -> list[Micros]:
    """Shares that sum to the amount to the micro; the remainder goes to the first ones (spec 12.4).

    Raises ValueError when there is nobody to share with.
    """
    if shares < 1:
        raise ValueError("a cost needs at least one share")
    base, remainder = divmod(amount_micros, shares)
    return [Micros(base + (1 if index < remainder else 0)) for index in range(shares)]
