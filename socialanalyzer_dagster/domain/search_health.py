"""How fresh a saved search still is, and what could be changed in a used-up one (spec 5.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from socialanalyzer_dagster.domain.markdown import cell
from socialanalyzer_dagster.domain.sentences import joined, leads
from socialanalyzer_dagster.domain.types import PlatformKey

_SIBLINGS = 3
_HEAD = (
    "| platform | search | state | new by run, newest first | seems to hold still | runs by itself | what to do |\n"
    "|---|---|---|---|---:|---|---|"
)


@dataclass(frozen=True, slots=True)
class PastNovelty:
    """One complete run of a search: its batch, its day, the share of new leads among those found, and their number."""

    batch_id: str
    day: date
    novelty: float
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHealth:
    """A saved search as it stands; `fingerprint` is that of its present filters.

    `schedule` is the cron expression by which it runs itself (None: the daily plan may choose it). `runs` are the
    complete ones, the newest first, `days_since` the days since then; `left` how many leads nobody has seen it seems to
    hold (None: not known); `changes` what could be varied, in words; `problem` why its filters cannot run at all.
    """

    preset_id: str
    name: str
    platform: PlatformKey
    fingerprint: str = ""
    schedule: str | None = None
    runs: tuple[PastNovelty, ...] = ()
    is_stale: bool = False
    days_since: int | None = None
    left: int | None = None
    changes: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def novelty(self) -> float | None:
        """The share of new leads in the newest complete run; None when there is none."""
        return self.runs[0].novelty if self.runs else None

    def seen(self, since: date, *, stale_below: float) -> int:
        """Results that a run would bring again before others: as many as the largest run since a day found.

        0 where a run that was no larger than one before it brought others all the same.
        """
        recent = [run for run in self.runs if run.day >= since]
        if not recent:
            return 0
        before = max((run.found for run in recent[1:]), default=0)
        brings_others = recent[0].found <= before and recent[0].novelty >= stale_below
        return 0 if brings_others else max(before, recent[0].found)

    @property
    def state(self) -> str:
        """'used up', 'fresh', 'never ran' or 'not valid'."""
        if self.problem is not None:
            return "not valid"
        if not self.runs:
            return "never ran"
        return "used up" if self.is_stale else "fresh"


def siblings(of: SearchHealth, every: Sequence[SearchHealth]) -> list[SearchHealth]:
    """Other saved searches of the platform that still bring much: those that are not used up, most new leads first."""
    others = [
        each
        for each in every
        if each.platform == of.platform and each.preset_id != of.preset_id and each.state == "fresh"
    ]
    return sorted(others, key=lambda each: (-(each.novelty or 0.0), each.name))[:_SIBLINGS]


def advice(of: SearchHealth, every: Sequence[SearchHealth]) -> str:
    """What a used-up search still holds, what to change in it, and which others bring more; empty for any other."""
    if not of.is_stale:
        return of.problem or ""
    said = [] if of.left is None else [f"about {leads(of.left)} that nobody has seen seem to be left in it"]
    if of.changes:
        said.append(f"change it: {'; '.join(of.changes)}")
    if others := siblings(of, every):
        said.append(f"run instead: {joined(f'{each.name} ({each.novelty:.0%} new)' for each in others)}")
    return ". ".join(text[0].upper() + text[1:] for text in said) + "." if said else ""


def health_markdown(every: Sequence[SearchHealth]) -> str:
    """Every saved search in a row: used-up ones first, with what to do about them."""
    if not every:
        return "There is no saved search yet: save one with `socialanalyzer presets save`."
    rows = [
        f"| {each.platform} | {cell(each.name)} | {each.state} | {_runs(each)} "
        f"| {'' if each.left is None else each.left} | {cell(each.schedule or '')} | {cell(advice(each, every))} |"
        for each in sorted(every, key=lambda each: (each.state != "used up", each.platform, each.name))
    ]
    return "\n".join([_HEAD, *rows])


def _runs(of: SearchHealth) -> str:
    return ", ".join(f"{run.novelty:.0%} ({run.day})" for run in of.runs)
