"""One resource per external API: each configures and closes its client and does nothing else.

Addresses, keys and modes come from the settings at run time, so that definitions load with no environment; a client is
None where its vendor is not configured.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol, TypeVar

import dagster as dg
from pydantic import Field

from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.apify_actors import Apify
from socialanalyzer_dagster.vendors.apollo import Apollo
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.connect import (
    connect_apify,
    connect_apollo,
    connect_email_verifier,
    connect_hubspot,
    connect_insightiq,
    connect_llm,
    connect_media_store,
    connect_pages,
)
from socialanalyzer_dagster.vendors.email_verifier import EmailVerifier
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.insightiq import InsightIQ
from socialanalyzer_dagster.vendors.llm import LanguageModel
from socialanalyzer_dagster.vendors.media_store import MediaStore
from socialanalyzer_dagster.vendors.pages import PageFetcher

_BASE_URL = "Another base URL of the vendor; empty = the one of the settings (the sandbox's in sandbox mode)."


class Closes(Protocol):
    """Anything that has connections to close."""

    async def aclose(self) -> None: ...


C = TypeVar("C", bound=Closes)


@asynccontextmanager
async def closing(client: C | None) -> AsyncIterator[C | None]:
    """The client for the time of the block."""
    try:
        yield client
    finally:
        if client is not None:
            await client.aclose()


def settings_with(field: str, base_url: str | None) -> Settings:
    """The environment's settings, one base URL replaced where the resource names another; raises SettingsError."""
    settings = Settings.from_environment()
    return settings.model_copy(update={field: base_url.rstrip("/")}) if base_url else settings


class InsightIQResource(dg.ConfigurableResource[None]):
    """InsightIQ: paid creator search and content (INSIGHTIQ_CLIENT_ID, INSIGHTIQ_SECRET)."""

    base_url: str | None = Field(default=None, description=_BASE_URL)

    def opened(self) -> AbstractAsyncContextManager[InsightIQ | None]:
        """The client, closed at the end of the block."""
        return closing(connect_insightiq(settings_with("insightiq_url", self.base_url)))


class LLMResource(dg.ConfigurableResource[None]):
    """OpenAI: structured answers, vision and transcription (OPENAI_API_KEY)."""

    base_url: str | None = Field(default=None, description=_BASE_URL)

    def opened(self) -> AbstractAsyncContextManager[LanguageModel | None]:
        """The client, closed at the end of the block."""
        return closing(connect_llm(settings_with("openai_url", self.base_url)))


class ApifyResource(dg.ConfigurableResource[None]):
    """Apify: searches, page crawls and profile look-ups (APIFY_API_TOKEN)."""

    base_url: str | None = Field(default=None, description=_BASE_URL)

    def opened(self) -> AbstractAsyncContextManager[Apify | None]:
        """The client, closed at the end of the block."""
        return closing(connect_apify(settings_with("apify_url", self.base_url)))


class ApolloResource(dg.ConfigurableResource[None]):
    """Apollo: paid contact look-up (APOLLO_API_KEY)."""

    base_url: str | None = Field(default=None, description=_BASE_URL)

    def opened(self) -> AbstractAsyncContextManager[Apollo | None]:
        """The client, closed at the end of the block."""
        return closing(connect_apollo(settings_with("apollo_url", self.base_url)))


class EmailVerifierResource(dg.ConfigurableResource[None]):
    """MillionVerifier: e-mail verification (MILLIONVERIFIER_API_KEY)."""

    base_url: str | None = Field(default=None, description=_BASE_URL)

    def opened(self) -> AbstractAsyncContextManager[EmailVerifier | None]:
        """The client, closed at the end of the block."""
        return closing(connect_email_verifier(settings_with("millionverifier_url", self.base_url)))


class HubSpotResource(dg.ConfigurableResource[None]):
    """HubSpot: the CRM (HUBSPOT_API_KEY, HUBSPOT_API_VERSION)."""

    base_url: str | None = Field(default=None, description=_BASE_URL)

    def opened(self) -> AbstractAsyncContextManager[HubSpot | None]:
        """The client, closed at the end of the block."""
        return closing(connect_hubspot(settings_with("hubspot_url", self.base_url)))


class MediaStoreResource(dg.ConfigurableResource[None]):
    """Media store: an R2 bucket (R2_*), or a folder in SOCIALANALYZER_HOME."""

    def opened(self) -> AbstractAsyncContextManager[MediaStore]:
        """The store, closed at the end of the block."""
        return aclosing(connect_media_store(Settings.from_environment()))


class PageFetcherResource(dg.ConfigurableResource[None]):
    """Public web pages and media; in sandbox mode the sandbox's web alone."""

    def opened(self) -> AbstractAsyncContextManager[PageFetcher]:
        """The fetcher, closed at the end of the block."""
        return aclosing(connect_pages(Settings.from_environment()))


class VendorsResource(dg.ConfigurableResource[None]):
    """All external APIs of a stage."""

    insightiq: InsightIQResource
    llm: LLMResource
    apify: ApifyResource
    apollo: ApolloResource
    email_verifier: EmailVerifierResource
    hubspot: HubSpotResource
    media_store: MediaStoreResource
    page_fetcher: PageFetcherResource

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Vendors]:
        """All clients, closed at the end of the block; raises SettingsError with every problem of the environment."""
        async with (
            self.insightiq.opened() as insightiq,
            self.llm.opened() as llm,
            self.apify.opened() as apify,
            self.apollo.opened() as apollo,
            self.email_verifier.opened() as email_verifier,
            self.hubspot.opened() as hubspot,
            self.media_store.opened() as media_store,
            self.page_fetcher.opened() as pages,
        ):
            yield Vendors(
                insightiq=insightiq,
                apify=apify,
                apollo=apollo,
                email_verifier=email_verifier,
                llm=llm,
                hubspot=hubspot,
                pages=pages,
                media_store=media_store,
            )


def vendor_resources() -> dict[str, dg.ConfigurableResource[None]]:
    """The resources by the names that assets ask for; `vendors` bundles the others."""
    single = {
        "insightiq": InsightIQResource(),
        "llm": LLMResource(),
        "apify": ApifyResource(),
        "apollo": ApolloResource(),
        "email_verifier": EmailVerifierResource(),
        "hubspot": HubSpotResource(),
        "media_store": MediaStoreResource(),
        "page_fetcher": PageFetcherResource(),
    }
    return {**single, "vendors": VendorsResource(**single)}
