"""Whether what a vendor billed is what the price table says, and which prices the bill suggests (spec 12.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.calls import Units
from socialanalyzer_dagster.domain.money import MICROS_PER_USD, micros_from_usd
from socialanalyzer_dagster.domain.policy_money import Price, PriceDriftPolicy

_MOST_DIGITS = 4
"""Of a suggested price; a longer one reads like a telephone number and is left out of messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a vendor reported to have charged in the end for work that was delivered whole, and for how much of it."""

    operation: str
    units: Units
    reported_micros: int


class BilledPrice(BaseModel):
    """A price of the table beside the one that a bill for `count` units suggests, both in USD for `per` units."""

    model_config = ConfigDict(frozen=True)

    key: str
    unit: str
    count: int
    per: int
    table_usd: Decimal
    billed_usd: Decimal
    confirmed_on: date | None = None

    @property
    def what(self) -> str:
        """What it is the price of."""
        return f"{self.per:,} x {self.unit}"

    @property
    def before(self) -> str:
        """Which price of the table it was, and since when: the same one confirmed anew is another."""
        return f"{self.key}={usd_of(self.table_usd)} {self.confirmed_on or ''}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedBill:
    """A bill held against the table; `prices` are exact where it is about one, else all scaled alike."""

    bill: Bill
    table_micros: Fraction
    prices: tuple[BilledPrice, ...]
    drifts: bool

    @property
    def ratio(self) -> Fraction:
        """Billed by listed: 2 = twice as dear."""
        return self.bill.reported_micros / self.table_micros


def judged(bill: Bill, table: Mapping[str, Price], policy: PriceDriftPolicy) -> JudgedBill | None:
    """The bill against the table; None when it cannot be told.

    That is so when nothing or nothing listed was delivered, when something listed costs nothing, and when the bill is
    too small to tell a price from a unit that was counted otherwise.
    """
    delivered = {key: int(count) for key, count in bill.units.items() if count}
    listed = {key: table[key] for key in delivered if key in table and table[key].usd}
    if not delivered or len(listed) < len(delivered) or bill.reported_micros < micros_from_usd(policy.least_usd):
        return None
    micros = sum((_micros(listed[key].usd, listed[key].per, count) for key, count in delivered.items()), Fraction(0))
    ratio = bill.reported_micros / micros
    suggested = _suggested(bill.reported_micros, delivered, listed, ratio)
    prices = tuple(
        BilledPrice(
            key=key,
            unit=price.unit,
            count=delivered[key],
            per=price.per,
            table_usd=price.usd,
            billed_usd=suggested[key],
            confirmed_on=price.confirmed_on,
        )
        for key, price in sorted(listed.items())
    )
    return JudgedBill(bill=bill, table_micros=micros, prices=prices, drifts=abs(ratio - 1) >= Fraction(policy.share))


def is_used_up(against: JudgedBill, most_micros: int) -> bool:
    """Whether the bill came as near to what its run might charge as its units allow: another would not have fitted."""
    billed, units = against.bill.reported_micros, max(price.count for price in against.prices)
    return billed + Fraction(billed, units) > most_micros


def bought_share(against: JudgedBill, most_micros: int) -> Decimal | None:
    """Which part of what a run could have bought by the table it got, where the dearer price ended it.

    `most_micros` is what it might charge; None when the price is no dearer, when another unit would still have fitted,
    or when it got everything all the same.
    """
    is_whole = against.table_micros >= most_micros
    if not against.drifts or against.ratio <= 1 or is_whole or not is_used_up(against, most_micros):
        return None
    share = against.table_micros / most_micros
    return Decimal(share.numerator) / share.denominator


def _micros(usd: Decimal, per: int, count: int) -> Fraction:
    return Fraction(usd) * MICROS_PER_USD * count / per


def _suggested(
    reported: int, delivered: Mapping[str, int], listed: Mapping[str, Price], ratio: Fraction
) -> dict[str, Decimal]:
    """The shortest price that makes this bill, which is rounded up once; else, and of several, those of most digits.

    Several that are rounded much are not scaled alike any more, and one of them may be the table's own.
    """
    found: dict[str, Decimal] = {}
    for digits in range(1 if len(listed) == 1 else _MOST_DIGITS, _MOST_DIGITS + 1):
        found = {key: _rounded(Fraction(price.usd) * ratio, digits) for key, price in listed.items()}
        total = sum((_micros(usd, listed[key].per, delivered[key]) for key, usd in found.items()), Fraction(0))
        if -(-total // 1) == reported:
            break
    return found


def _rounded(usd: Fraction, digits: int) -> Decimal:
    """So many significant digits, without zeros at the end."""
    exact = Decimal(usd.numerator) / Decimal(usd.denominator)
    return Decimal(f"{Decimal(f'{exact:.{digits - 1}e}').normalize():f}")


def usd_of(price: Decimal) -> str:
    """A price as commands take it: '0.02', never '2E-2'."""
    return f"{price.normalize():f}"


def confirmation(key: str, usd: Decimal) -> str:
    """The command that makes a price the table's."""
    return f"socialanalyzer prices confirm {key} --usd {usd_of(usd)} --by NAME"
