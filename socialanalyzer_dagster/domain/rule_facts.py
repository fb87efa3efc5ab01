"""What rules may look at after a stage of a batch, and the niche that its best leads share (spec 15.1, I-18)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredLead:
    """A scored lead with its category, and the theme that most of its content has (None where nobody told)."""

    score: Decimal
    category: str
    theme: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Niche:
    """A niche and how many leads are of it; `theme` is None where the leads of the category share none."""

    category: str
    theme: str | None
    leads: int

    @property
    def name(self) -> str:
        """For people."""
        return self.category if self.theme is None else f"{self.theme} ({self.category})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFacts:
    """Counts after a stage; None = could not be told, and then no rule acts on it.

    `judged` passed or were rejected; `attempted` are these and all that failed, `failed` those of them that another try
    may mend; `reached` came to the stage, `waiting` of them wait for `vendor`. `found` and `new` are of the search.
    `used_micros` is what is spent, reserved or unknown under the batch's cap; `worse` are sentences about figures that
    are significantly worse than their baselines.
    """

    judged: int | None = None
    passed: int | None = None
    attempted: int | None = None
    failed: int | None = None
    reached: int | None = None
    waiting: int | None = None
    vendor: str | None = None
    found: int | None = None
    new: int | None = None
    scored: Sequence[ScoredLead] | None = None
    answers: int | None = None
    reasks: int | None = None
    worse: Sequence[str] | None = None
    used_micros: int | None = None
    cap_micros: int | None = None


def densest_niche(leads: Iterable[ScoredLead], min_score: Decimal) -> Niche | None:
    """The niche with most leads of at least this score, the first by name of equals; None without such leads.

    Leads are of one niche when category and theme agree; where no lead has a theme, the category alone decides.
    """
    best = [lead for lead in leads if lead.score >= min_score]
    themed = [lead for lead in best if lead.theme is not None]
    counts = Counter((lead.category, lead.theme) for lead in themed or best)
    if not counts:
        return None
    (category, theme), number = min(counts.items(), key=lambda each: (-each[1], each[0][0], each[0][1] or ""))
    return Niche(category=category, theme=theme, leads=number)
