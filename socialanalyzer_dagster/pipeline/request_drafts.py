"""The request that follows a rejected one whose search was wrong: filters of a batch that ran cannot change (15.2)."""

import json
import shlex
from collections.abc import Mapping

from socialanalyzer_dagster.domain.filters import validate_filters
from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of
from socialanalyzer_dagster.pipeline.gate_answers import ApprovalRefused
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import searches


def drafted_command(workplace: Workplace, key: str, filters: Mapping[str, object]) -> str:
    """The command that makes the same batch with some filters otherwise; it is checked, and makes nothing.

    Raises NoSuchBatch, FilterProblems with every wrong filter, and ApprovalRefused for a creator list.
    """
    batch = find_batch(workplace, key)
    with workplace.database.read() as connection:
        kind = searches.search_kind(connection, batch.search_fingerprint)
    if kind == searches.LIST:
        raise ApprovalRefused(f"batch {key} is a creator list and has no filters; make a new batch from another list")
    wanted = {**batch.filters, **filters}
    model = filter_model_of(workplace.platforms[batch.platform])
    validate_filters(model, wanted, active_policy(workplace.database))
    given = {name: value for name, value in wanted.items() if value not in (None, [], "") or name in filters}
    words = ["socialanalyzer", "batch", "create", "--platform", batch.platform, "--filters", json.dumps(given)]
    words += ["--max-spend", f"{batch.cap_micros / MICROS_PER_USD:.2f}"]
    for name in batch.bdr_names:
        words += ["--bdr", name]
    return shlex.join(words)
