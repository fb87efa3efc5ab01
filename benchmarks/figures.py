"""A measured figure, its target, and the tables that show them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value; `most` is the target it must not exceed, None where there is none."""

    name: str
    value: float | str
    unit: str = ""
    most: float | None = None

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return self.value if isinstance(self.value, str) else _with_unit(self.value, self.unit)

    @property
    def target(self) -> str:
        """What was to be reached."""
        return "" if self.most is None else f"at most {_with_unit(self.most, self.unit)}"

    @property
    def verdict(self) -> str:
        """Whether it was reached, and by how much it was missed."""
        if self.most is None or isinstance(self.value, str):
            return ""
        if self.value <= self.most:
            return "met"
        return f"missed by {100 * (self.value / self.most - 1):.0f} %"


def text_table(figures: Sequence[Figure]) -> str:
    """For a terminal."""
    rows = [(each.name, each.shown, each.target, each.verdict) for each in figures]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown_rows(figures: Sequence[Figure]) -> str:
    """Rows of the table of docs/performance.md."""
    return "\n".join(f"| {each.name} | {each.shown} | {each.target} | {each.verdict} |" for each in figures)


def _with_unit(value: float, unit: str) -> str:
    digits = 0 if value == round(value) or value >= 100 else 2 if value < 10 else 1
    return f"{value:,.{digits}f}{' ' if unit else ''}{unit}"
