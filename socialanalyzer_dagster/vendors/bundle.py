"""All vendor clients of a run in one immutable bundle."""

import asyncio
from dataclasses import dataclass, fields

from socialanalyzer_dagster.vendors.apify_actors import Apify
from socialanalyzer_dagster.vendors.apollo import Apollo
from socialanalyzer_dagster.vendors.email_verifier import EmailVerifier
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.insightiq import InsightIQ
from socialanalyzer_dagster.vendors.llm import LanguageModel
from socialanalyzer_dagster.vendors.media_store import MediaStore
from socialanalyzer_dagster.vendors.pages import PageFetcher

_FIELDS = {"openai": "llm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendors:
    """The clients; None where the vendor is not configured, which stages report as `not_configured`."""

    insightiq: InsightIQ | None
    apify: Apify | None
    apollo: Apollo | None
    email_verifier: EmailVerifier | None
    llm: LanguageModel | None
    hubspot: HubSpot | None
    pages: PageFetcher
    media_store: MediaStore

    def client_of(self, vendor: str) -> object | None:
        """The client of a vendor by its name in operations and declarations; None where it is not configured."""
        client: object | None = getattr(self, _FIELDS.get(vendor, vendor))
        return client

    async def close(self) -> None:
        """Close all connections."""
        clients = [getattr(self, field.name) for field in fields(self)]
        await asyncio.gather(*(client.aclose() for client in clients if client is not None))
