"""People's rights over the tests' own platform: the parts that requests work with, and looking for what is left."""

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from crm_world import CrmWorld
from sqlalchemy import LargeBinary, select

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.erasure import PersonRequest, erase
from socialanalyzer_dagster.pipeline.free_calls import free_calls
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.privacy_crm import PrivacyCrm
from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.columns import Base
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.privacy_requests import PrivacyRequest
from socialanalyzer_dagster.vendors.connect import connect_privacy_hubspot
from socialanalyzer_dagster.vendors.media_store import FolderStore


@asynccontextmanager
async def privacy_parts(world: CrmWorld, policy: Policy | None = None) -> AsyncIterator[PrivacyParts]:
    """What a command or the daily assets would work with."""
    assert world.server is not None
    settings = Settings.from_environment(
        {"SOCIALANALYZER_SANDBOX_URL": world.server.base_url, "SOCIALANALYZER_HOME": str(world.home)}
    )
    client = connect_privacy_hubspot(settings)
    assert client is not None
    policy = policy or world.policy
    try:
        async with free_calls(world.database, policy, world.clock) as calls:
            yield PrivacyParts(
                workplace=world.workplace,
                policy=policy,
                key=world.suppression_key,
                media_store=FolderStore(world.home / "media"),
                crm=PrivacyCrm(client, policy, calls),
            )
    finally:
        await client.aclose()


def asked(who: Identifier | LeadUid, reason: str = "asked by letter") -> PersonRequest:
    return PersonRequest(who=who, by="Kai", reason=reason)


def email(address: str) -> Identifier:
    return Identifier(IdentifierKind.EMAIL, address)


def handle(name: str) -> Identifier:
    return Identifier(IdentifierKind.HANDLE, f"testbook:{name}")


async def erased(world: CrmWorld, who: Identifier | LeadUid) -> PrivacyRequest:
    async with privacy_parts(world) as parts:
        return await erase(parts, asked(who))


def with_retention(world: CrmWorld, **periods: int) -> Policy:
    """The world's policy with other retention periods, active."""
    changed = world.policy.model_copy(update={"retention": world.policy.retention.model_copy(update=periods)})
    activate(world.database, changed, Authorship(author="test", note="", at=world.clock.now()))
    return changed


def everything_in(database: Database) -> dict[str, str]:
    """`table.column` -> all of its values as text, packed bodies unpacked: new columns are in it by themselves."""
    found: dict[str, str] = {}
    with database.read() as connection:
        for table in Base.metadata.sorted_tables:
            rows = connection.execute(select(table)).mappings().all()
            for column in table.columns:
                values = [row[column.name] for row in rows]
                packed = isinstance(column.type, LargeBinary)
                found[f"{table.name}.{column.name}"] = "\n".join(as_text(value, packed=packed) for value in values)
    return found


def as_text(value: Any, *, packed: bool = False) -> str:
    """A stored value as the text a search goes through: no character is escaped but those of JSON."""
    if packed and value is not None:
        return zlib.decompress(bytes(value)).decode("utf-8", "surrogatepass")
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def places_of(database: Database, *words: str) -> set[str]:
    """Columns in which one of the words stands, in any case."""
    wanted = [word.lower() for word in words]
    return {place for place, text in everything_in(database).items() if any(word in text.lower() for word in wanted)}
