"""Scores of stored judgements under another policy: no network, no cost, always the same bytes (I-31, spec 10.5)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.scoring import BELOW_MIN_SCORE, recompute
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.collector import spare_collector
from socialanalyzer_dagster.pipeline.progress import Tell, tell_nobody
from socialanalyzer_dagster.storage import score_views, scores
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.scores import RESCORED, ScoreDocument, ScoresOf

_PAGE = 1000


@dataclass(slots=True)
class Rescored:
    """What another policy makes of stored scores; tiers are tier names, `below_min_score` for none."""

    policy_hash: str
    scores: int = 0
    changed: int = 0
    flow: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(tier before, tier now) -> leads."""
    moved: list[dict[str, Any]] = field(default_factory=list)
    """Leads whose tier changes, in order of platform, id and batch."""

    def as_json(self) -> dict[str, Any]:
        """The object of `rescore --json`."""
        flow = [{"from": old, "to": new, "leads": count} for (old, new), count in sorted(self.flow.items())]
        return {
            "policy_hash": self.policy_hash,
            "cost_micros": 0,
            "scores": self.scores,
            "changed": self.changed,
            "tier_flow": flow,
            "moved": self.moved,
        }


def rescore(
    database: Database, policy: Policy, *, batch_id: str | None, now: datetime, tell: Tell = tell_nobody
) -> Rescored:
    """Recompute the live scores of a batch (None = of all) under `policy` and store them as rescored.

    Scores given under this very policy are recomputed too but not stored again: they are the same to the byte. Nothing
    stays stored about people who are erased meanwhile. `tell` hears how many scores are done.
    """
    spare_collector()
    result = Rescored(policy_hash=policy.digest)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="rescore-writer") as writer:
        stored: Future[None] | None = None
        for page in _pages(database, batch_id):
            fresh: dict[str, dict[LeadUid, ScoreDocument]] = {}
            for row in page:
                score = ScoreDocument.of(recompute(ScoreRecord.model_validate(row.record), policy))
                _count(result, row, score)
                if row.policy_hash != result.policy_hash:
                    fresh.setdefault(row.batch_id, {})[LeadUid(row.lead_uid)] = score
            if stored is not None:
                stored.result()  # one page is stored while the next is computed, never more
            stored = writer.submit(_store, database, result.policy_hash, fresh, now)
            tell(result.scores)
        if stored is not None:
            stored.result()
    with database.write() as connection:
        scores.forget_rescored_of_reduced(connection, result.policy_hash, batch_id=batch_id)
    result.moved.sort(key=lambda moved: (moved["lead"], moved["batch"]))
    return result


def _pages(database: Database, batch_id: str | None) -> Iterator[Sequence[Any]]:
    """Live scores in the order in which they are stored, so many at a time."""
    after: tuple[str, str] | None = None
    while True:
        with database.read() as connection:
            page = score_views.live_scores(connection, batch_id=batch_id, after=after, limit=_PAGE)
        if not page:
            return
        yield page
        after = (page[-1].lead_uid, page[-1].batch_id)


def _count(result: Rescored, row: Any, fresh: ScoreDocument) -> None:  # noqa: ANN401 - a database row
    score = fresh.score
    before, now = row.record["tier"] or BELOW_MIN_SCORE, score.tier or BELOW_MIN_SCORE
    result.scores += 1
    result.changed += fresh.document != row.record
    result.flow[before, now] += 1
    if before != now:
        result.moved.append(
            {
                "lead": f"{row.platform}:{row.platform_id}",
                "handle": row.handle,
                "batch": row.partition_key,
                "from": before,
                "to": now,
                "lead_score": {"from": row.record["lead_score"], "to": f"{score.lead_score:.4f}"},
            }
        )


def _store(
    database: Database, policy_hash: str, fresh: Mapping[str, Mapping[LeadUid, ScoreDocument]], now: datetime
) -> None:
    for batch_id, found in fresh.items():
        of = ScoresOf(batch_id=batch_id, policy_hash=policy_hash, kind=RESCORED)
        for part in parts(found.items()):
            with database.write() as connection:
                scores.write_documents(connection, of, dict(part), now)
