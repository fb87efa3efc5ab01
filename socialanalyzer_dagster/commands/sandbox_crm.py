"""The simulated CRM made ready for a batch; a real CRM is changed by `crm setup` alone."""

import asyncio
from collections.abc import Sequence

from socialanalyzer_dagster.commands.office import Office
from socialanalyzer_dagster.commands.output import notes
from socialanalyzer_dagster.commands.people import create_properties
from socialanalyzer_dagster.commands.runs import Step
from socialanalyzer_dagster.storage import sync_plans
from socialanalyzer_dagster.storage.batches import Batch


def furnish_sandbox_crm(office: Office, batch: Batch, steps: Sequence[Step]) -> None:
    """In sandbox mode create the properties for leads before a batch's first plan, and say so; else do nothing."""
    if not office.settings.is_sandbox or Step.PLAN not in steps:
        return
    with office.database.read() as connection:
        is_first_plan = sync_plans.newest_plan(connection, batch.batch_id) is None
    if is_first_plan and asyncio.run(create_properties(office)):
        notes.print("the sandbox's CRM had no properties for leads yet; they were created")
