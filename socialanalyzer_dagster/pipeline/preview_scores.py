"""Stored scores under the active policy and under another one, with where the leads would be dealt to (spec 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_preview import SCREENED_OUT, Named, Side
from socialanalyzer_dagster.domain.rescreening import Rejudged, Ruling
from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.scoring import BELOW_MIN_SCORE, recompute
from socialanalyzer_dagster.pipeline.preview_queues import Queues

RulingPair = tuple[Rejudged, Rejudged]
"""What the active policy and the other one say about a screening."""


def named(row: Any) -> Named:  # noqa: ANN401 - a database row
    """The lead of a row as lists show it."""
    return Named(
        lead_uid=row.lead_uid,
        lead=f"{row.platform}:{row.platform_id}",
        handle=row.handle,
        platform=row.platform,
        batch=row.partition_key,
    )


@dataclass(frozen=True, slots=True)
class ScoreSides:
    """Both sides of a scored lead: the active policy and the other one, with their digests.

    `rulings` are the screenings by lead and batch that are not passed by both.
    """

    policies: tuple[Policy, Policy]
    digests: tuple[str, str]
    rulings: Mapping[tuple[str, str], RulingPair]
    queues: Queues

    def of(self, row: Any) -> tuple[Side, Side]:  # noqa: ANN401 - a database row
        """What the active policy makes of the lead, and what the other one would."""
        record = ScoreRecord.model_validate(row.record)
        pair = self.rulings.get((row.lead_uid, row.batch_id))
        now, then = (
            _judged(record if digest == row.policy_hash else recompute(record, policy), ruling)
            for policy, digest, ruling in zip(self.policies, self.digests, pair or (None, None), strict=True)
        )
        places = self.queues.places(row, *(tier if tier != SCREENED_OUT else None for tier, _ in (now, then)))
        return (
            Side(tier=now[0], score=now[1], place=places[0]),
            Side(tier=then[0], score=then[1], place=places[1]),
        )


def _judged(score: ScoreRecord, ruling: Rejudged | None) -> tuple[str, str | None]:
    """Tier and score; a lead that screening rejects would never be scored."""
    if ruling is not None and ruling.ruling is Ruling.REJECTED:
        return SCREENED_OUT, None
    return score.tier or BELOW_MIN_SCORE, f"{score.lead_score:.4f}"
