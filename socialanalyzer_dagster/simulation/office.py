"""Where a simulation works: a new home with its own database, policy, roster, CRM and sandbox in this process."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

from socialanalyzer_dagster.commands.demo import prepare_crm
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.policies import Authorship, activate, active_policy
from socialanalyzer_dagster.pipeline.presets import PresetForm, save_preset
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.sandbox.app import app_of
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.demo_searches import team_searches
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.settings import environment_with
from socialanalyzer_dagster.vendors.transport import answered_by

MONTH_CAP_USD = 5000
AUTHOR = "simulation"
_OF_AN_INSTALLATION = ("DATABASE_URL", "DAGSTER_HOME", "POLICY_PATH", "BDR_ROSTER_PATH", "NOTIFY_URLS", "SMTP_URL")
"""What a simulation must not read from where it is started: it would write into the team's own tables."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What the simulated team aims at: a share of the policy's daily targets, on some platforms."""

    share: float
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SimulatedOffice:
    """A simulation's home, and the sandbox whose world it lives in."""

    office: Office
    sandbox: SandboxState

    def workplace(self, instance: dg.DagsterInstance) -> Workplace:
        """Where its people act; batches they make are announced to the instance."""
        return replace(
            self.office.workplace(),
            announce=lambda key: instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [key]),
        )


@contextmanager
def simulated_office(home: Path, start: datetime, *, seed: int, aim: Aim) -> Iterator[SimulatedOffice]:
    """A home ready for its first day; everything that connects while the block runs reaches the sandbox in-process."""
    changes = {
        **dict.fromkeys(_OF_AN_INSTALLATION, ""),
        "SOCIALANALYZER_ENV": "sandbox",
        "SOCIALANALYZER_HOME": str(home),
        "SOCIALANALYZER_SANDBOX_SPEED": "realistic",
        "SOCIALANALYZER_SANDBOX_SEED": str(seed),
        "LOG_LEVEL": "ERROR",
    }
    config = SandboxConfig(seed=seed, speed="realistic", home=home, epoch=start)
    sandbox = SandboxState(config, seconds=time.time)
    network = httpx.ASGITransport(app=app_of(sandbox))
    try:
        with environment_with(changes), answered_by(network), open_office() as office:
            asyncio.run(prepare_crm(office))
            _take_policy(office, aim)
            for platform, name, filters in team_searches(aim.platforms):
                form = PresetForm(platform=platform, name=name, filters=filters, by=AUTHOR)
                save_preset(office.workplace(), form)
            yield SimulatedOffice(office, sandbox)
    finally:
        sandbox.store.commit()
        sandbox.store.close()


def _take_policy(office: Office, aim: Aim) -> None:
    policy = active_policy(office.database)
    note = f"month cap of {MONTH_CAP_USD} USD, {aim.share:.0%} of the daily targets"
    activate(
        office.database, simulated_policy(policy, aim), Authorship(author=AUTHOR, note=note, at=office.clock.now())
    )


def simulated_policy(policy: Policy, aim: Aim) -> Policy:
    """The policy with the simulation's month cap and a share of its targets; messages go to nobody outside."""
    document: dict[str, Any] = policy.document()
    document["budgets"]["month_usd"] = MONTH_CAP_USD
    document["notifications"]["channels"] = {kind: ["badge"] for kind in document["notifications"]["channels"]}
    targets = document["targets"]
    targets["scored_leads"] = {
        platform: {weekday: round(number * aim.share) for weekday, number in of_weekday.items()}
        for platform, of_weekday in targets["scored_leads"].items()
        if platform in aim.platforms
    }
    return parse_policy(document)
