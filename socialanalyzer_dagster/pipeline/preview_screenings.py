"""Stored screenings under the active policy and under another one: as decided where the rules are the same (spec 4)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from socialanalyzer_dagster.domain.filters import FilterProblems, SearchFilters, refilled
from socialanalyzer_dagster.domain.leads import Evidence, LeadRecord
from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.rescreening import (
    NOT_KNOWN,
    PASSES,
    Rejudged,
    StoredScreening,
    rejects,
    same_rules,
)
from socialanalyzer_dagster.domain.types import PlatformKey, canonical_json
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.preview_scores import RulingPair
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.evidence import load_evidence
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.preview_rows import PAGE


class Rescreening:
    """Rulings of two policies on stored screenings; each policy is compared once with each that decided."""

    def __init__(
        self, database: Database, platforms: Mapping[PlatformKey, Platform], policies: tuple[Policy, Policy]
    ) -> None:
        self._database = database
        self._platforms = platforms
        self._policies = policies
        self._decided: dict[str, tuple[Policy, tuple[bool, bool]]] = {}
        self._filters = lru_cache(maxsize=1024)(self._refilled)

    def judged(self, rows: Iterable[Any]) -> Iterator[tuple[Any, RulingPair]]:
        """Each row with what the active policy and the other one say; evidence is read a part at a time."""
        for part in parts(rows, PAGE):
            asked = [row for row in part if not all(self._alike(row))]
            ids = [evidence_id for row in asked for evidence_id in row.evidence_ids]
            with self._database.read() as connection:
                found = load_evidence(connection, ids)
            for row in part:
                yield row, self._pair(row, found)

    def _alike(self, row: Any) -> tuple[bool, bool]:  # noqa: ANN401 - a database row
        return self._decision(row)[1]

    def _decision(self, row: Any) -> tuple[Policy, tuple[bool, bool]]:  # noqa: ANN401 - a database row
        known = self._decided.get(row.batch_policy)
        if known is None:
            decided = policy_of_hash(self._database, row.batch_policy)
            active, wanted = self._policies
            known = self._decided[row.batch_policy] = (
                decided,
                (same_rules(decided, active), same_rules(decided, wanted)),
            )
        return known

    def _pair(self, row: Any, evidence: Mapping[str, Evidence]) -> RulingPair:  # noqa: ANN401 - a database row
        as_decided = PASSES if row.result == Result.PASSED else rejects(row.code)
        now, then = (
            as_decided if alike else self._again(row, evidence, number) for number, alike in enumerate(self._alike(row))
        )
        return now, then

    def _again(self, row: Any, evidence: Mapping[str, Evidence], number: int) -> Rejudged:  # noqa: ANN401 - a database row
        if row.reduced_at is not None or row.erased_at is not None or row.platform not in self._platforms:
            return NOT_KNOWN
        if not all(evidence_id in evidence for evidence_id in row.evidence_ids):
            return NOT_KNOWN
        try:
            filters = self._filters(row.platform, canonical_json(row.filters), row.batch_policy, number)
        except FilterProblems:
            return NOT_KNOWN
        seen = (evidence[evidence_id] for evidence_id in row.evidence_ids)
        stored = StoredScreening(
            record=LeadRecord.model_validate(row.lead_record),
            filters=filters,
            evidence={each.kind: each for each in seen},
            judged_at=row.finished_at,
            decided_under=self._decision(row)[0],
            code=row.code,
            detail=row.detail,
        )
        return self._platforms[row.platform].rescreen(stored, self._policies[number])

    def _refilled(self, platform: PlatformKey, filters: str, decided: str, number: int) -> BaseModel | None:
        """The filters of a search under a policy; None for a creator list, whose batch has none."""
        given = json.loads(filters)
        if not given:
            return None
        model = self._platforms[platform].filter_model
        if not issubclass(model, SearchFilters):
            raise TypeError(f"the filter model of {platform} is no SearchFilters")
        return refilled(model, given, self._decided[decided][0], self._policies[number])
