"""Our books beside a vendor's own figure: every difference is explained in a sentence, or said to be unexplained."""

from dataclasses import dataclass

from socialanalyzer_dagster.domain.money import MICROS_PER_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One vendor; `reported_micros` is None where it tells no figure to compare with."""

    vendor: str
    settled_micros: int
    unknown_micros: int
    held_micros: int
    reported_micros: int | None
    unknown_calls: int = 0
    held_calls: int = 0

    @property
    def difference_micros(self) -> int | None:
        """What the vendor charged more than is settled; None without its figure."""
        return None if self.reported_micros is None else self.reported_micros - self.settled_micros

    @property
    def is_explained(self) -> bool:
        """True when what was lost or is still out can be the whole difference."""
        difference = self.difference_micros
        return difference is None or 0 <= difference <= self.unknown_micros + self.held_micros

    @property
    def sentence(self) -> str:
        """The explanation."""
        difference = self.difference_micros
        if difference is None:
            return f"the vendor reports no usage to compare with{self._open}"
        if not difference:
            return f"agrees to the micro-dollar{self._open}"
        if self.is_explained:
            return f"the vendor charged {_usd(difference)} more, which lies within what is held{self._open}"
        more = "more" if difference > 0 else "less"
        return f"not explained: the vendor charged {_usd(abs(difference))} {more} than is booked{self._open}"

    @property
    def _open(self) -> str:
        parts = []
        if self.unknown_calls:
            parts.append(f"{self.unknown_calls} lost answers hold up to {_usd(self.unknown_micros)}")
        if self.held_calls:
            parts.append(f"{self.held_calls} calls still out hold {_usd(self.held_micros)}")
        return f"; {' and '.join(parts)}" if parts else ""


def _usd(micros: int) -> str:
    return f"${micros / MICROS_PER_USD:.6f}"
