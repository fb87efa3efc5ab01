"""An installation for a round: its home and database, the sandbox it talks to, and one queued batch per platform."""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from socialanalyzer_dagster.pipeline import policies, roster
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.crm_setup import create_missing
from socialanalyzer_dagster.pipeline.free_calls import Knocks
from socialanalyzer_dagster.pipeline.workplace import SystemClock, Workplace
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.sandbox.config import SandboxConfig, epoch_of_today
from socialanalyzer_dagster.sandbox.serve import started_process
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.connect import connect_hubspot

SEARCHES: dict[str, dict[str, Any]] = {
    "instagram": {"hashtags": ["yoga", "travel"]},
    "patreon": {"search_keywords": ["hiking", "travel"], "location": ""},
    "facebook": {"keywords": ["hiking", "yoga"]},
}
ROSTER = [{"name": name, "owner_id": str(70_000_001 + at)} for at, name in enumerate(("Kai", "Noa"))]
_USED = "{0}settled_micros + {0}held_micros + {0}unknown_micros"


@dataclass
class Vendors:
    """The sandbox process of all rounds of a run, which starts from nothing for each of them."""

    url: str
    home: Path
    client: httpx.Client

    def start_over(self) -> None:
        """An empty bill and CRM, and no faults."""
        self._ask("POST", "reset")
        self.calm()

    def calm(self) -> None:
        """No faults from now on."""
        self._ask("PUT", "faults", json=[])

    def rage(self, dice: random.Random) -> None:
        """The faults of the hostile level, in another order than before, so that others are hit."""
        switches = self._ask("DELETE", "faults")["switches"]
        dice.shuffle(switches)
        self._ask("PUT", "faults", json=switches)

    def bill(self) -> list[dict[str, Any]]:
        """Every row of the vendors' bill."""
        rows: list[dict[str, Any]] = []
        while found := self._ask("GET", f"ledger?rows=10000&after={rows[-1]['n'] if rows else 0}")["rows"]:
            rows += found
        return rows

    def hits(self) -> list[dict[str, Any]]:
        """Every request that a fault hit."""
        log = self._ask("GET", "faults/log")
        assert log["total"] == len(log["rows"]), "the log of faults has lost entries"
        return list(log["rows"])

    def contacts(self) -> list[dict[str, Any]]:
        """What the CRM has of ours."""
        headers, found, after = {"Authorization": "Bearer reader"}, [], "0"
        while after:
            names = "creator_uid,email"
            path = f"{self.url}/hubspot/crm/v3/objects/contacts?limit=100&after={after}&properties={names}"
            page = self.client.get(path, headers=headers).json()
            found += [each["properties"] for each in page["results"]]
            after = page.get("paging", {}).get("next", {}).get("after", "")
        return [each for each in found if each.get("creator_uid")]

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self.client.request(method, f"{self.url}/_sandbox/{path}", **options)
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def vendors_of(home: Path, seed: int) -> Iterator[Vendors]:
    """A hostile sandbox in a process of its own."""
    config = SandboxConfig(seed=seed, faults="hostile", home=home, port=0, epoch=epoch_of_today())
    with started_process(config) as process, httpx.Client(trust_env=False, timeout=30) as client:
        yield Vendors(process.base_url, home, client)


@dataclass
class Installation:
    """A home, its database and its batches."""

    home: Path
    database: Database
    vendors: Vendors
    environment: dict[str, str]
    keys: list[str] = field(default_factory=list)

    @property
    def workplace(self) -> Workplace:
        return Workplace(
            database=self.database,
            platforms=PLATFORMS,
            clock=SystemClock(),
            home=self.home,
            mode="sandbox",
            suppression_key=Settings.from_environment(self.environment).suppression_key,
        )

    @property
    def suppression_key(self) -> bytes:
        return Settings.from_environment(self.environment).suppression_hmac_key.get_secret_value().encode()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@dataclass(frozen=True)
class Size:
    """How many leads each search asks for, and the cap of each batch in USD (None: the policy's)."""

    leads: Mapping[str, int]
    cap_usd: float | None = None


@contextmanager
def installed(home: Path, database_url: str, vendors: Vendors, size: Size) -> Iterator[Installation]:
    """An installation over a migrated, empty database."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "SOCIALANALYZER_ENV": "sandbox",
        "SOCIALANALYZER_HOME": str(home),
        "SOCIALANALYZER_SANDBOX_URL": vendors.url,
        "DATABASE_URL": database_url,
    }
    database = Database(database_url)
    made = Installation(home, database, vendors, environment)
    try:
        vendors.start_over()
        _furnish(made)
        for platform, search in SEARCHES.items():
            filters = {**search, "max_results": size.leads[platform]}
            fields = {} if size.cap_usd is None else {"max_budget_usd": size.cap_usd}
            request = BatchRequest(platform=platform, filters=filters, fields=fields, stop_at_cap=bool(fields))
            made.keys.append(create_batch(made.workplace, request).key)
        yield made
    finally:
        database.dispose()


def _furnish(made: Installation) -> None:
    """Policy, guarded caps, roster and the CRM's properties."""
    now = made.workplace.clock.now()
    policies.ensure_initial_policy(made.database, instant=True, now=now)
    guard_caps(made.database)
    people = made.home / "roster.json"
    people.write_text(json.dumps(ROSTER), encoding="utf-8")
    roster.load_roster(made.database, people, now=now, by="chaos")
    asyncio.run(_prepare_crm(made))


async def _prepare_crm(made: Installation) -> None:
    client = connect_hubspot(Settings.from_environment(made.environment))
    assert client is not None
    policy = policies.active_policy(made.database)
    await create_missing(Knocks(policy), client, policy)
    await client.aclose()


def guard_caps(database: Database) -> None:
    """From now on the database itself refuses a commit that takes more than a cap into any scope."""
    with database.write() as connection:
        if database.is_sqlite:
            connection.execute(
                text(
                    f"create trigger within_cap before update on budget_scopes when {_USED.format('new.')} > "
                    "new.cap_micros begin select raise(abort, 'a cap was passed'); end"
                )
            )
        else:
            rule = f"check ({_USED.format('')} <= cap_micros)"
            connection.execute(text(f"alter table budget_scopes add constraint within_cap {rule}"))
