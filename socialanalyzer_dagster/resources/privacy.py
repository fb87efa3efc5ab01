"""What privacy work of the daily assets needs, as a Dagster resource: it configures and closes, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dagster as dg

from socialanalyzer_dagster.pipeline.free_calls import free_calls
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.privacy_crm import PrivacyCrm
from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.resources.vendors import MediaStoreResource, closing, settings_with
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.connect import connect_privacy_hubspot


class PrivacyResource(dg.ConfigurableResource[None]):
    """Database, media store, suppression key and the CRM's erase call."""

    pipeline: PipelineResource
    media_store: MediaStoreResource

    @asynccontextmanager
    async def opened(self, instance: dg.DagsterInstance) -> AsyncIterator[PrivacyParts]:
        """Everything that requests and retention work with; raises SettingsError and SchemaMismatch."""
        settings = Settings.from_environment()
        hubspot_url = self.pipeline.vendors.hubspot.base_url
        with self.pipeline.workplace(instance) as workplace:
            async with (
                self.media_store.opened() as media_store,
                closing(connect_privacy_hubspot(settings_with("hubspot_url", hubspot_url))) as client,
            ):
                policy = active_policy(workplace.database)
                async with free_calls(workplace.database, policy, workplace.clock) as calls:
                    yield PrivacyParts(
                        workplace=workplace,
                        policy=policy,
                        key=settings.suppression_key,
                        media_store=media_store,
                        crm=PrivacyCrm(client, policy, calls) if client is not None else None,
                    )
