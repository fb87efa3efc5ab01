"""The event that a vendor bills other prices than the price table says (spec 12.3, 16)."""

from decimal import ROUND_HALF_UP, Decimal

from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.domain.notification_events import Event, Kind
from socialanalyzer_dagster.domain.price_drift import BilledPrice, JudgedBill, confirmation, usd_of
from socialanalyzer_dagster.domain.sentences import joined, percent

_CENTS_AND_LESS = Decimal("0.0001")
_WHICH = "One bill does not tell which of the prices changed; if all did alike,"


class PriceChanged(Event):
    """A finished run cost something else than the table says for what it delivered."""

    KIND = Kind.PRICE_CHANGED
    operation: str
    billed_micros: int
    table_micros: int
    prices: tuple[BilledPrice, ...]

    @classmethod
    def of_bill(cls, judged: JudgedBill, batch_id: str | None) -> "PriceChanged":
        """What is told of a bill that drifts."""
        return cls(
            batch_id=batch_id,
            operation=judged.bill.operation,
            billed_micros=judged.bill.reported_micros,
            table_micros=-(-judged.table_micros // 1),
            prices=judged.prices,
        )

    @property
    def is_dearer(self) -> bool:
        """True when more was billed than the table says."""
        return self.billed_micros > self.table_micros

    @property
    def occasion(self) -> str:
        """That an operation is dearer, or cheaper, than the table, until the table says something else.

        What its bills suggest differs a little from run to run, which is no news.
        """
        before = ", ".join(each.before for each in self.prices)
        return f"{self.operation}:{before}:{'dearer' if self.is_dearer else 'cheaper'}"

    def title(self, batch: str) -> str:
        """Which operation, and how it differs."""
        return f"{self.operation} costs {'more' if self.is_dearer else 'less'} than the price table says"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What was billed, what the table says, what it does to searches, and how to take over the new price."""
        delivered = joined(f"{each.count:,} x {each.unit}" for each in self.prices)
        billed, listed = _usd(self.billed_micros), _usd(self.table_micros)
        changed = joined(
            f"{each.key} {usd_of(each.billed_usd)} USD instead of {usd_of(each.table_usd)} for {each.what}"
            for each in self.prices
        )
        return (
            f"{billed} were billed in {batch} for {delivered}; by the price table that is {listed}.",
            f"That makes {changed}." if len(self.prices) == 1 else f"{_WHICH} that makes {changed}.",
            self._effect,
            self._what_to_do,
        )

    @property
    def _effect(self) -> str:
        if self.is_dearer:
            kept = Decimal(self.table_micros) / self.billed_micros
            return (
                "A run may charge no more than the table says for what was asked: until the new price is confirmed, "
                f"runs end early, with about {percent(kept)} of their results; those for a few are refused."
            )
        more = Decimal(self.table_micros) / self.billed_micros - 1
        return (
            f"Nothing is lost, but runs reserve {percent(more)} more than they cost, so that caps hold fewer of them."
        )

    @property
    def _what_to_do(self) -> str:
        commands = joined(f"`{confirmation(each.key, each.billed_usd)}`" for each in self.prices)
        return f"If the vendor's price list says so: {commands}."


def _usd(micros: int) -> str:
    """Dollars with as many digits as small bills need."""
    usd = Decimal(micros) / MICROS_PER_USD
    exact = usd.quantize(_CENTS_AND_LESS, rounding=ROUND_HALF_UP)
    return f"${exact:,.2f}" if exact == exact.quantize(Decimal("0.01")) else f"${exact:,}"
