"""What the people of a simulated team do: they confirm estimates and decide about CRM plans, by the public path."""

from dataclasses import dataclass

from socialanalyzer_dagster.pipeline import approvals, batch_actions
from socialanalyzer_dagster.pipeline.batch_actions import Deed
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.gate_answers import DEMO_APPROVER
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches


@dataclass(slots=True)
class Team:
    """Counts what its people were asked for."""

    confirmed: int = 0
    approved: int = 0

    def work(self, workplace: Workplace) -> bool:
        """Decide about everything that waits; True when anything did."""
        before = self.confirmed + self.approved
        deed = Deed(by=DEMO_APPROVER)
        for batch in _waiting(workplace, BatchStatus.AWAITING_CONFIRMATION):
            key = batch.partition_key
            batch_actions.confirm(workplace, key, deed, estimate_micros=batch.estimate_micros)
            self.confirmed += 1
        for batch in _waiting(workplace, BatchStatus.AWAITING_APPROVAL):
            approvals.approve(workplace, batch.partition_key, by=DEMO_APPROVER)
            self.approved += 1
        return self.confirmed + self.approved > before


def _waiting(workplace: Workplace, status: BatchStatus) -> list[batches.Batch]:
    with workplace.database.read() as connection:
        return batches.batches_with_status(connection, [status])
