"""What an audit needs to know of a batch, read by its partition key."""

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.pipeline.audits import AuditedBatch
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.policies import policy_in
from socialanalyzer_dagster.storage.batches import Batch, batch_by_key

_WAITING = frozenset({BatchStatus.PAUSED, BatchStatus.AWAITING_PROVIDER})


def audited_batch(connection: Connection, key: str, *, suppression_key: bytes) -> AuditedBatch:
    """The batch of a key under the policy it pins; raises NoSuchBatch."""
    row, policy = batch_and_policy(connection, key)
    return AuditedBatch(row.batch_id, policy, _may_wait(row), suppression_key)


def batch_and_policy(connection: Connection, key: str) -> tuple[Batch, Policy]:
    """The row of a key and the policy it pins; raises NoSuchBatch."""
    row = batch_by_key(connection, key)
    if row is None:
        raise NoSuchBatch(f"there is no batch '{key}'")
    return row, policy_in(connection, row.policy_hash)


def _may_wait(row: Batch) -> bool:
    return row.canary is not None or row.status in _WAITING
