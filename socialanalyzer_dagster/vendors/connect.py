"""Vendor clients from settings: addresses, keys and timeouts of spec 3.3; a vendor without its key is None."""

import base64
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from socialanalyzer_dagster.domain.notifications import EMAIL, SLACK
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.settings_problems import channel_urls
from socialanalyzer_dagster.vendors.apify_actors import Apify
from socialanalyzer_dagster.vendors.apollo import Apollo
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.email_verifier import EmailVerifier
from socialanalyzer_dagster.vendors.http import Connection
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_privacy import PrivacyHubSpot
from socialanalyzer_dagster.vendors.hubspot_workflow import Workflow
from socialanalyzer_dagster.vendors.insightiq import InsightIQ
from socialanalyzer_dagster.vendors.llm import LanguageModel
from socialanalyzer_dagster.vendors.media_store import BucketAccess, MediaStore, open_media_store
from socialanalyzer_dagster.vendors.page_routes import GatewayRoute, PublicRoute
from socialanalyzer_dagster.vendors.pages import PageFetcher
from socialanalyzer_dagster.vendors.transport import new_client

if TYPE_CHECKING:
    from socialanalyzer_dagster.vendors.notifier import Channel, Notifier

_LOG = logging.getLogger(__name__)

INSIGHTIQ_SECONDS = 30.0
LLM_SECONDS = 60.0
APIFY_SECONDS = 30.0
APOLLO_SECONDS = 15.0
EMAIL_VERIFIER_SECONDS = 20.0
HUBSPOT_SECONDS = 15.0


def connect_insightiq(settings: Settings) -> InsightIQ | None:
    """InsightIQ with its key pair as HTTP Basic; None without the pair."""
    client_id, secret = settings.insightiq_client_id, settings.insightiq_secret
    if client_id is None or secret is None:
        return None
    pair = f"{client_id.get_secret_value()}:{secret.get_secret_value()}"
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}
    return InsightIQ(_connection(settings, settings.insightiq_url, INSIGHTIQ_SECONDS, headers))


def connect_apify(settings: Settings) -> Apify | None:
    """Apify with its token; None without it."""
    if settings.apify_api_token is None:
        return None
    return Apify(_connection(settings, settings.apify_url, APIFY_SECONDS, _bearer(settings.apify_api_token)))


def connect_apollo(settings: Settings) -> Apollo | None:
    """Apollo with its key; None without it."""
    if settings.apollo_api_key is None:
        return None
    headers = {"x-api-key": settings.apollo_api_key.get_secret_value()}
    return Apollo(_connection(settings, settings.apollo_url, APOLLO_SECONDS, headers))


def connect_email_verifier(settings: Settings) -> EmailVerifier | None:
    """MillionVerifier with its key; None without it."""
    key = settings.millionverifier_api_key
    if key is None:
        return None
    connection = _connection(settings, settings.millionverifier_url, EMAIL_VERIFIER_SECONDS, {})
    return EmailVerifier(connection, key.get_secret_value())


def connect_llm(settings: Settings) -> LanguageModel | None:
    """The language model through the official SDK; None without its key."""
    if settings.openai_api_key is None:
        return None
    from socialanalyzer_dagster.vendors.llm_batches import ModelBatches
    from socialanalyzer_dagster.vendors.openai_channel import OpenAIChannel, classify

    connection = _connection(settings, settings.openai_url, LLM_SECONDS, {})
    channel = OpenAIChannel(connection, settings.openai_api_key.get_secret_value())
    return LanguageModel(channel, ModelBatches(channel, classify))


def connect_hubspot(settings: Settings) -> HubSpot | None:
    """HubSpot with its key; None without it. Raises ValueError for an API version that does not exist."""
    if settings.hubspot_api_key is None:
        return None
    connection = _connection(settings, settings.hubspot_url, HUBSPOT_SECONDS, _bearer(settings.hubspot_api_key))
    trigger = settings.hubspot_webhook_url
    workflow = None
    if trigger is not None:
        workflow = Workflow(_connection(settings, trigger.get_secret_value(), HUBSPOT_SECONDS, {}))
    return HubSpot(connection, settings.hubspot_api_version, workflow)


def connect_privacy_hubspot(settings: Settings) -> PrivacyHubSpot | None:
    """HubSpot with its erase call, for privacy requests alone; None without the key."""
    if settings.hubspot_api_key is None:
        return None
    connection = _connection(settings, settings.hubspot_url, HUBSPOT_SECONDS, _bearer(settings.hubspot_api_key))
    return PrivacyHubSpot(connection, settings.hubspot_api_version)


def connect_pages(settings: Settings) -> PageFetcher:
    """The page fetcher: the open internet, or in the sandbox its web route alone."""
    return PageFetcher(GatewayRoute(settings.sandbox_url) if settings.is_sandbox else PublicRoute())


def connect_media_store(settings: Settings) -> MediaStore:
    """The media bucket, or the local folder."""
    key_id, secret, endpoint = settings.r2_access_key_id, settings.r2_secret_access_key, settings.r2_endpoint_url
    access = None
    if key_id is not None and secret is not None and endpoint is not None:
        access = BucketAccess(
            endpoint_url=endpoint,
            access_key_id=key_id.get_secret_value(),
            secret_access_key=secret.get_secret_value(),
        )
    return open_media_store(settings.media_store_url, access, loopback_only=settings.is_sandbox)


def connect_slack(settings: Settings) -> "Channel | None":
    """Slack's incoming webhook; None without one. Raises BadAddress."""
    if settings.slack_webhook_url is None:
        return None
    from socialanalyzer_dagster.vendors.notifier import slack_channel

    return slack_channel(settings.slack_webhook_url.get_secret_value(), in_sandbox=settings.is_sandbox)


def connect_notifier(settings: Settings) -> "Notifier":
    """Every channel of notifications that has an address; one that cannot be used fails alone."""
    from socialanalyzer_dagster.vendors.notifier import Notifier, email_channel, url_channel

    sandbox, server, readers = settings.is_sandbox, settings.smtp_url, settings.digest_to
    makers: dict[str, Callable[[], Channel | None]] = {
        name: partial(url_channel, name, url, in_sandbox=sandbox)
        for name, url in channel_urls(settings.notify_urls).items()
    }
    if settings.slack_webhook_url is not None:
        makers[SLACK] = partial(connect_slack, settings)
    if server is not None and readers is not None:
        makers[EMAIL] = partial(email_channel, server.get_secret_value(), readers, in_sandbox=sandbox)
    return Notifier({name: _usable(make) for name, make in makers.items()})


def _usable(make: "Callable[[], Channel | None]") -> "Channel | None":
    from socialanalyzer_dagster.vendors.notifier import BadAddress

    try:
        return make()
    except BadAddress as error:
        _LOG.error("%s", error)
        return None


def connect_vendors(settings: Settings) -> Vendors:
    """All clients; close them with `Vendors.close`."""
    return Vendors(
        insightiq=connect_insightiq(settings),
        apify=connect_apify(settings),
        apollo=connect_apollo(settings),
        email_verifier=connect_email_verifier(settings),
        llm=connect_llm(settings),
        hubspot=connect_hubspot(settings),
        pages=connect_pages(settings),
        media_store=connect_media_store(settings),
    )


def _bearer(key: SecretStr) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.get_secret_value()}"}


def _connection(settings: Settings, base_url: str, read_seconds: float, headers: Mapping[str, str]) -> Connection:
    client = new_client(read_seconds=read_seconds, loopback_only=settings.is_sandbox, headers=headers)
    return Connection(base_url, client)
