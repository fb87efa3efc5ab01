"""How a figure and what is usual are told to people (spec 14.4)."""

from socialanalyzer_dagster.domain.baselines import Comparison, Figure, Grade, Unit
from socialanalyzer_dagster.domain.money import usd_text


def comparison_text(comparison: Comparison, *, of: str = "batches") -> str:
    """The figure, what is usual, the literal direction, and separately whether that is bad (spec 14.4).

    `of` names what was compared, batches or days.
    """
    figure, baseline = comparison.figure, comparison.baseline
    told = f"{title(figure.name)} is {shown(figure, figure.value)}"
    if baseline is None:
        return f"{told}; there is no baseline yet."
    usual = f"the usual {shown(figure, baseline.middle)} of {baseline.of}"
    young = ", a young baseline" if baseline.is_young else ""
    known = f"(median of {baseline.batches} {of}{young})"
    return f"{told}, {_distance(comparison)} {usual} {known}{_judged(comparison)}.{_drifted(comparison, of)}"


def title(name: str) -> str:
    """A figure's name for people: 'Screened yield'."""
    return name.replace("_", " ").capitalize()


def shown(figure: Figure, value: float) -> str:
    """A value in the figure's unit."""
    match figure.unit:
        case Unit.MICROS:
            return usd_text(round(value))
        case Unit.SECONDS:
            return f"{value:.2f} s"
        case Unit.SCORE:
            return f"{value:.3f}"
        case Unit.PERCENT:
            return f"{value:.0%}"


def _distance(comparison: Comparison) -> str:
    change = comparison.change or 0.0
    if comparison.grade is Grade.USUAL:
        return "near"
    return f"{abs(change):.0%} {'above' if change > 0 else 'below'}"


def _judged(comparison: Comparison) -> str:
    if comparison.grade is Grade.TOO_FEW:
        return ": too few leads to tell"
    if comparison.grade in (Grade.NOTABLE, Grade.SIGNIFICANT):
        return f": {comparison.grade} and {'bad' if comparison.is_bad else 'not bad'}"
    return ""


def _drifted(comparison: Comparison, of: str) -> str:
    drift = comparison.drift
    if drift is None:
        return ""
    way = "risen" if drift.change > 0 else "fallen"
    kind = "bad" if comparison.is_bad_drift else "not bad"
    return f" It has {way} by {abs(drift.change):.0%} over {drift.batches} {of}, little by little: {kind}."
