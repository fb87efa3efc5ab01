"""The effect of a policy on recent leads before it is activated: computed from what is stored, at $0 (spec 4)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_metrics import TargetsPolicy
from socialanalyzer_dagster.domain.policy_preview import (
    Moves,
    ScoreTally,
    ScreenTally,
    headline,
    unseen_changes,
)
from socialanalyzer_dagster.domain.preview_days import PlatformDays
from socialanalyzer_dagster.domain.rescreening import PASSES, Ruling
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.pipeline.collector import spare_collector
from socialanalyzer_dagster.pipeline.policies import active_policy, policy_diff
from socialanalyzer_dagster.pipeline.preview_queues import Queues
from socialanalyzer_dagster.pipeline.preview_scores import RulingPair, ScoreSides, named
from socialanalyzer_dagster.pipeline.preview_screenings import Rescreening
from socialanalyzer_dagster.pipeline.progress import Tell, tell_nobody
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.storage import preview_rows
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.preview_rows import Window

DAYS = 30
"""How far a preview looks back unless it is told (spec 4)."""
NAMED = 200
"""How many moved leads it names unless it is told; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    """The policy in question, how many days back, as of when, and how many moved leads are named."""

    policy: Policy
    now: datetime
    days: int = DAYS
    most_named: int = NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The counted effect; `unseen` are changed keys whose effect cannot be told from what is stored."""

    request: PreviewRequest
    active_hash: str
    scores: ScoreTally
    screened: ScreenTally
    reduced: int
    targets: tuple[TargetsPolicy, TargetsPolicy]
    """Of the active policy and the other one."""
    unseen: tuple[str, ...]

    @property
    def headline(self) -> str:
        """One line for people."""
        return headline(self.scores, self.screened, self.request.days)

    def as_json(self) -> dict[str, Any]:
        """The object of `policy preview --json`."""
        request = self.request
        return {
            "headline": self.headline,
            "policy_hash": request.policy.digest,
            "active_hash": self.active_hash,
            "days": request.days,
            "cost_micros": 0,
            "vendor_calls": 0,
            **self.scores.as_json(),
            "scores_not_known": self.reduced,
            "per_working_day": self.scores.per_day(request.now.date(), self.targets),
            "screening": self.screened.as_json(),
            "not_previewed": list(self.unseen),
        }


def preview_policy(
    database: Database, platforms: Mapping[PlatformKey, Platform], request: PreviewRequest, tell: Tell = tell_nobody
) -> Preview:
    """What the policy would make of the leads judged in the last days, beside what the active one makes of them.

    Reads stored answers and evidence alone, in pages; nothing is asked, paid or written. A lead counts once, with its
    newest judgement. `tell` hears how many judgements are read.
    """
    spare_collector()
    active = active_policy(database)
    window = Window(request.now - timedelta(days=request.days))
    screened = ScreenTally(Moves(request.most_named))
    policies = (active, request.policy)
    digests = (active.digest, request.policy.digest)
    enrolled = (active.tiers.enrolled, request.policy.tiers.enrolled)
    scores = ScoreTally(enrolled, Moves(request.most_named))
    rulings: dict[tuple[str, str], RulingPair] = {}
    read = 0
    rescreening = Rescreening(database, platforms, policies)
    for row, pair in rescreening.judged(newest(preview_rows.recent_screenings(database, window), "finished_at")):
        screened.add(named(row), *pair)
        _note(scores, rulings, row, pair)
        tell(read := read + 1)
    sides = ScoreSides(policies, digests, rulings, Queues.of(database, *policies))
    for row in newest(preview_rows.recent_scores(database, window), "scored_at"):
        now, then = sides.of(row)
        scores.older += row.policy_hash != digests[0]
        scores.add(named(row), now, then, row.scored_at.date())
        tell(read := read + 1)
    return Preview(
        request=request,
        active_hash=digests[0],
        scores=scores,
        screened=screened,
        reduced=preview_rows.reduced_scores(database, window),
        targets=(active.targets, request.policy.targets),
        unseen=tuple(unseen_changes(policy_diff(active.document(), request.policy.document()))),
    )


def _note(scores: ScoreTally, rulings: dict[tuple[str, str], RulingPair], row: Any, pair: RulingPair) -> None:  # noqa: ANN401 - a database row
    """Keep what the scores must know: who would have been screened out, and how many would come in."""
    now, then = pair
    if row.result == "passed" and (now, then) != (PASSES, PASSES):
        rulings[row.lead_uid, row.batch_id] = pair
    if now.ruling is Ruling.REJECTED and then.ruling is not Ruling.REJECTED:
        scores.days.setdefault(row.platform, PlatformDays()).may_enter += 1


def newest(pages: Iterable[Sequence[Any]], at: str) -> Iterator[Any]:
    """Of each lead the newest row; the pages are in order of leads, and a lead may stand on two of them."""
    rows = (row for page in pages for row in page)
    for _, judged in groupby(rows, key=lambda row: row.lead_uid):
        yield max(judged, key=lambda row: (getattr(row, at), row.batch_id))
