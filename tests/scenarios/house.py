"""A whole installation for tests: a home, a sandbox on a free port, a Dagster instance and the real definitions."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from socialanalyzer_dagster.commands.office import Office, open_office, prepare_home
from socialanalyzer_dagster.definitions import build_definitions
from socialanalyzer_dagster.domain.types import STAGES
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.batches import CreatedBatch, create_batch
from socialanalyzer_dagster.pipeline.crm_setup import create_missing
from socialanalyzer_dagster.pipeline.free_calls import Knocks
from socialanalyzer_dagster.pipeline.roster import load_roster
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.sandbox.config import SandboxConfig, epoch_of_today
from socialanalyzer_dagster.sandbox.serve import running_sandbox
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database

ROSTER = [{"name": "Kai", "owner_id": "70000001"}, {"name": "Noa", "owner_id": "70000002"}]
STAGE_ASSETS = tuple(f"{stage}_leads" for stage in STAGES)


@dataclass
class House:
    """What a test does with an installation."""

    home: Path
    sandbox: str
    instance: dg.DagsterInstance
    office: Office

    @property
    def definitions(self) -> dg.Definitions:
        """The real ones, made once per process: they keep nothing of a run."""
        return _definitions()

    @property
    def workplace(self) -> Workplace:
        made = self.office.workplace()
        return Workplace(
            database=made.database,
            platforms=made.platforms,
            clock=made.clock,
            home=made.home,
            mode=made.mode,
            suppression_key=made.suppression_key,
            announce=lambda key: self.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key]),
        )

    def create(self, platform: str, filters: dict[str, Any], **request: Any) -> CreatedBatch:
        return create_batch(self.workplace, BatchRequest(platform=platform, filters=filters, **request))

    def run(self, job: str, key: str, **options: Any) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            partition_key=key, instance=self.instance, raise_on_error=False, **options
        )

    def view(self, key: str) -> dict[str, Any]:
        return batch_view(self.workplace, key)

    def bill(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.sandbox}/_sandbox/ledger", trust_env=False).json()
        return found

    def calls(self) -> int:
        """Vendor requests so far, free ones included."""
        return sum(self.bill()["requests"].values())


@cache
def _definitions() -> dg.Definitions:
    return build_definitions()


@contextmanager
def open_house(home: Path, environment: pytest.MonkeyPatch, template: Path | None = None) -> Iterator[House]:
    """An installation over a copy of a migrated, empty SQLite file; without one it makes its tables itself."""
    with running_sandbox(SandboxConfig(home=home, port=0, epoch=epoch_of_today())) as url:
        environment.setenv("SOCIALANALYZER_HOME", str(home))
        environment.setenv("SOCIALANALYZER_SANDBOX_URL", url)
        if template is not None:
            _prepare(template)
        with open_office() as office, dg.DagsterInstance.ephemeral() as instance:
            yield House(home=home, sandbox=url, instance=instance, office=office)


def _prepare(template: Path) -> None:
    """A home that needs no migration."""
    settings = Settings.from_environment()
    database = Database(settings.database_url.get_secret_value())
    shutil.copyfile(template, database.url.database or "")
    prepare_home(settings, database)
    database.dispose()


def failures(result: dg.ExecuteInProcessResult) -> str:
    """Why steps failed, for assertions on what a person reads in the UI."""
    events = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return "\n".join(event.step_failure_data.error.to_string() for event in events if event.step_failure_data.error)


def set_up_crm(house: House) -> None:
    import asyncio

    from socialanalyzer_dagster.pipeline.policies import active_policy
    from socialanalyzer_dagster.vendors.connect import connect_hubspot

    async def properties() -> None:
        client = connect_hubspot(house.office.settings)
        assert client is not None
        policy = active_policy(house.office.database)
        await create_missing(Knocks(policy), client, policy)
        await client.aclose()

    asyncio.run(properties())
    roster = house.home / "roster.json"
    roster.write_text(json.dumps(ROSTER), encoding="utf-8")
    load_roster(house.office.database, roster, now=house.office.clock.now(), by="test")
