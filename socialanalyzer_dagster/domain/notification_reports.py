"""Events about whole days and weeks: the digest and the report, from figures alone (spec 15.6, 16)."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.notification_events import Event, Kind, at_text
from socialanalyzer_dagster.domain.sentences import counted, joined


class Figures(BaseModel):
    """What batches came to; `spend_micros` is paid and settled."""

    model_config = ConfigDict(frozen=True)

    batches: int
    found: int
    new: int
    scored: int
    synced: int
    spend_micros: int

    def text(self) -> str:
        """'2 batches found 120 profiles, 80 new, 31 scored, 20 synced, for $12.40 ($0.40 per scored lead)'."""
        told = f"{counted(self.batches, 'batch', 'batches')} found {counted(self.found, 'profile')}, {self.new:,} new"
        cost = usd_text(self.spend_micros)
        if self.scored:
            cost += f" ({usd_text(self.spend_micros // self.scored)} per scored lead)"
        return f"{told}, {self.scored:,} scored, {self.synced:,} synced, for {cost}"


class TopLead(BaseModel):
    """One of the best leads, by its uid."""

    model_config = ConfigDict(frozen=True)

    uid: str
    score: Decimal
    batch_key: str


class SearchFigures(BaseModel):
    """What one search came to; `search` is the part of its batches' keys after the day."""

    model_config = ConfigDict(frozen=True)

    search: str
    figures: Figures


class DailyDigest(Event):
    """What ended between two moments, how it ended, what waits for a person, and the best leads."""

    KIND = Kind.DAILY_DIGEST
    since: datetime
    until: datetime
    total: Figures
    ended: Mapping[str, int]
    waiting: tuple[str, ...]
    """Keys of batches that wait for a person."""
    top: tuple[TopLead, ...]

    @property
    def occasion(self) -> str:
        """One day."""
        return self.until.date().isoformat()

    def title(self, batch: str) -> str:
        """Which day."""
        return f"Daily digest of {self.until.date().isoformat()}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """One line each."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"From {at_text(self.since)} to {at_text(self.until)}."
        if not self.total.batches:
            yield "No batch ended."
        else:
            ends = joined(f"{number:,} {status.replace('_', ' ')}" for status, number in self.ended.items())
            yield f"{self.total.text()}. Batches by their end: {ends}."
        if self.waiting:
            yield f"Waiting for a person: {', '.join(self.waiting)}."
        if self.top:
            yield "Best leads (`socialanalyzer leads show UID` tells more):"
        for lead in self.top:
            yield f"- {lead.uid}, score {lead.score:.2f}, of {lead.batch_key}"


class WeeklyReport(Event):
    """What ran in a week, search by search, the cheapest scored leads first."""

    KIND = Kind.WEEKLY_REPORT
    since: date
    until: date
    total: Figures
    searches: tuple[SearchFigures, ...]
    left_out: int
    """Further searches that are not listed."""
    stale: tuple[str, ...]
    """Searches of the week whose results were hardly new."""

    @property
    def occasion(self) -> str:
        """One week, by its end."""
        return self.until.isoformat()

    def title(self, batch: str) -> str:
        """Which week."""
        return f"Weekly report, {self.since.isoformat()} to {self.until.isoformat()}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """One line each."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        if not self.total.batches:
            yield "No batch ended in this week."
            return
        yield f"{self.total.text()}."
        for each in self.searches:
            yield f"- {each.search}: {each.figures.text()}"
        if self.left_out:
            yield f"- and {counted(self.left_out, 'more search', 'more searches')}"
        if self.stale:
            yield f"Used up, change them before they run again: {', '.join(self.stale)}."


def cheapest_first(searches: list[SearchFigures]) -> list[SearchFigures]:
    """By cost per scored lead; searches without a scored lead last, the dearest of them first."""
    return sorted(searches, key=lambda each: (_cost_per_scored(each.figures), -each.figures.spend_micros, each.search))


def _cost_per_scored(figures: Figures) -> float:
    return figures.spend_micros / figures.scored if figures.scored else float("inf")
