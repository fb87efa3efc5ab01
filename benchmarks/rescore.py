"""Re-scoring 100,000 stored judgements: a pure function, no database and no network."""

import time
from decimal import Decimal

from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs
from socialanalyzer_dagster.domain.scoring import compute_score, recompute

LEADS = 100_000


def measure() -> dict[str, object]:
    policy = shipped_policy()
    records = [compute_score(_inputs(number), "measured", policy) for number in range(1000)]
    started = time.perf_counter()
    changed = sum(
        recompute(records[number % len(records)], policy) != records[number % len(records)] for number in range(LEADS)
    )
    seconds = time.perf_counter() - started
    return {"leads": LEADS, "seconds": round(seconds, 2), "scores that changed under the same policy": changed}


def _inputs(number: int) -> ScoreInputs:
    answer = {name: Decimal((number * (place + 3)) % 101) / 100 for place, name in enumerate(DIMENSIONS)}
    return ScoreInputs(
        platform="instagram",
        answers=(answer,),
        category="lifestyle",
        audience_size=number * 200,
        posts_above=number % 12,
        posts_below=number % 5,
        posts_hidden=number % 2,
        travel_flag=number % 7 == 0,
    )
