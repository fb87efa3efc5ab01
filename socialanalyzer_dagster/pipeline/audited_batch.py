"""What an audit needs to know of a batch, read by its partition key."""

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy, stored_policy
from socialanalyzer_dagster.pipeline.audits import AuditedBatch
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.storage import policies
from socialanalyzer_dagster.storage.batches import Batch, batch_by_key

_WAITING = frozenset({BatchStatus.PAUSED, BatchStatus.AWAITING_PROVIDER})


def audited_batch(connection: Connection, key: str, *, suppression_key: bytes) -> AuditedBatch:
    """The batch of a key under the policy it pins; raises NoSuchBatch."""
    row, policy = batch_and_policy(connection, key)
    return AuditedBatch(row.batch_id, policy, _may_wait(row), suppression_key)


def batch_and_policy(connection: Connection, key: str) -> tuple[Batch, Policy]:
    """The row of a key and the policy it pins; raises NoSuchBatch."""
    row = batch_by_key(connection, key)
    stored = policies.by_hash(connection, row.policy_hash) if row is not None else None
    if row is None or stored is None:
        raise NoSuchBatch(f"there is no batch '{key}'")
    return row, stored_policy(stored.document)


def _may_wait(row: Batch) -> bool:
    return row.canary is not None or row.status in _WAITING
