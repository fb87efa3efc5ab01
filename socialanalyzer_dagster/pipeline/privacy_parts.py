"""What privacy requests and retention work with, whoever asks for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.pipeline.people_search import PeopleSearch
from socialanalyzer_dagster.pipeline.privacy_crm import PrivacyCrm
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.media_store import MediaStore, MediaStoreError, StoredObject

ERASURE = "privacy erase"
"""Who put a person on the suppression list when it was an erasure."""
AT_ONCE = 25
"""Leads per transaction (I-53)."""
PEOPLE_AT_ONCE = 100
"""People who are looked for in one reading of everything; what is written of each has transactions of its own."""
MEDIA_FOLDERS = ("media", "grids")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyParts:
    """`crm` is None where no CRM is configured; `key` is the suppression key."""

    workplace: Workplace
    policy: Policy
    key: bytes
    media_store: MediaStore
    crm: PrivacyCrm | None

    @property
    def database(self) -> Database:
        """The database of the workplace."""
        return self.workplace.database

    @property
    def search(self) -> PeopleSearch:
        """Finds people under the suppression key."""
        return PeopleSearch(self.database, self.key)


async def delete_objects(store: MediaStore, found: Sequence[StoredObject]) -> int:
    """Remove media; returns how many. One that cannot be removed keeps no other: its MediaStoreError comes last."""
    errors: list[MediaStoreError] = []
    for each in found:
        try:
            await store.delete(each.key)
        except MediaStoreError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return len(found)
