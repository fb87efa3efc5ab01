"""What must work before a batch can: database, store, vendors, CRM properties, prices, roster; spends nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.domain.calls import VendorCall
from socialanalyzer_dagster.domain.notifications import BADGE, EMAIL, SLACK
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.privacy_record import HOW_TO_RECORD, unrecorded_privacy
from socialanalyzer_dagster.pipeline import policies
from socialanalyzer_dagster.pipeline.crm_setup import missing_properties
from socialanalyzer_dagster.pipeline.free_calls import Knocks
from socialanalyzer_dagster.pipeline.limit_rates import LimitTooFar
from socialanalyzer_dagster.pipeline.pricing import unconfirmed_prices
from socialanalyzer_dagster.platforms.policy_check import check_platforms
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.settings_problems import channel_urls
from socialanalyzer_dagster.storage import roster, schema
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.http import ServiceStatus
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.media_store import MediaStore, MediaStoreError

_OFF = {
    "insightiq": "not configured: nothing can be found or fetched through it",
    "apify": "not configured: its searches cannot run, pages are fetched directly",
    "apollo": "not configured: paid contact look-up is left out",
    "millionverifier": "not configured: no e-mail address can be verified, so nothing can be synced",
    "openai": "not configured: nothing can be judged",
    "hubspot": "not configured: nothing can be synced",
}

READ_BY_NOTHING_YET = ("CONSOLE_AUTH_FILE", "CONSOLE_SECRET_KEY", "HUBSPOT_CLIENT_SECRET")
"""Variables whose use is to come."""


class Health(StrEnum):
    """`problem` means that something needed does not work; `off` that it is not configured."""

    OK = "ok"
    WARNING = "warning"
    OFF = "off"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and in words what was seen."""

    subject: str
    health: Health
    detail: str


async def examine(settings: Settings, database: Database, vendors: Vendors) -> list[Finding]:
    """Everything, in a fixed order; the vendors are asked at the same time, each one free call."""
    database_finding = examine_database(database)
    found = [_settings_finding(settings), database_finding]
    policy = _active_policy(database) if database_finding.health is Health.OK else None
    calls = Knocks(policy or shipped_policy())
    asked = [_examine_vendor(name, call, calls) for name, call in status_calls(vendors).items()]
    found += await asyncio.gather(examine_store(vendors.media_store), *asked)
    if policy is None:
        return found
    found.append(await _examine_properties(vendors.hubspot, policy, calls))
    found += _policy_findings(policy)
    found.append(_prices_finding(policy, is_live=not settings.is_sandbox))
    found.append(_privacy_finding(policy, is_live=not settings.is_sandbox))
    found.append(_roster_finding(database))
    found.append(_messages_finding(settings, policy))
    return found


def examine_database(database: Database) -> Finding:
    """Whether it can be reached and has this version's tables."""
    try:
        status = schema.status(database)
    except SQLAlchemyError as error:
        return Finding("database", Health.PROBLEM, f"cannot be reached ({type(error).__name__})")
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    health = Health.OK if status.is_current else Health.PROBLEM
    return Finding("database", health, f"{kind}: {status.sentence}")


def _settings_finding(settings: Settings) -> Finding:
    given = [name for name, is_set in settings.describe().items() if is_set]
    text = f"{settings.environment} mode, {len(given)} variables set"
    if unread := [name for name in READ_BY_NOTHING_YET if name in given]:
        return Finding("settings", Health.WARNING, f"{text}; read by nothing yet: {', '.join(unread)}")
    return Finding("settings", Health.OK, text)


def _messages_finding(settings: Settings, policy: Policy) -> Finding:
    """Which channels of the policy have an address; nothing is sent."""
    wanted = {name for channels in policy.notifications.channels.values() for name in channels} - {BADGE}
    mail = settings.smtp_url is not None and settings.digest_to is not None
    own = {SLACK: settings.slack_webhook_url is not None, EMAIL: mail}
    addressed = {name for name, is_set in own.items() if is_set} | set(channel_urls(settings.notify_urls))
    known, missing = sorted(wanted & addressed), sorted(wanted - addressed)
    without = f"without an address: {', '.join(missing)}" if missing else ""
    if not known:
        return Finding("messages", Health.OFF, f"nobody is told what happens; {without or 'no channel is named'}")
    return Finding("messages", Health.OK, "; ".join(filter(None, (f"go to {', '.join(known)}", without))))


def _active_policy(database: Database) -> Policy | None:
    try:
        return policies.active_policy(database)
    except PolicyError:
        return None


def status_calls(vendors: Vendors) -> Mapping[str, VendorCall[ServiceStatus] | None]:
    """One free call per vendor that proves it can be used; None where it is not configured."""
    clients = {
        "insightiq": vendors.insightiq,
        "apify": vendors.apify,
        "apollo": vendors.apollo,
        "openai": vendors.llm,
        "hubspot": vendors.hubspot,
    }
    calls = {name: None if client is None else client.status() for name, client in clients.items()}
    verifier = vendors.email_verifier
    return {**calls, "millionverifier": None if verifier is None else verifier.credits()}


async def _examine_vendor(name: str, call: VendorCall[ServiceStatus] | None, calls: Knocks) -> Finding:
    if call is None:
        return Finding(name, Health.OFF, _OFF[name])
    try:
        return Finding(name, Health.OK, (await calls.send(call)).detail)
    except (CallFailed, LimitTooFar) as error:
        return Finding(name, Health.PROBLEM, str(error))


async def examine_store(store: MediaStore) -> Finding:
    """Whether an object can be written, read and deleted."""
    try:
        await store.probe()
    except MediaStoreError as error:
        return Finding("media store", Health.PROBLEM, str(error))
    return Finding("media store", Health.OK, "an object was written, read and deleted")


async def _examine_properties(crm: HubSpot | None, policy: Policy, calls: Knocks) -> Finding:
    subject = "crm properties"
    if crm is None:
        return Finding(subject, Health.OFF, "cannot be looked at without the CRM's key")
    try:
        lacking = await missing_properties(calls, crm, policy)
    except (CallFailed, LimitTooFar) as error:
        return Finding(subject, Health.PROBLEM, str(error))
    if lacking.not_unique or lacking.unknown:
        return Finding(subject, Health.PROBLEM, lacking.sentence)
    if lacking:
        names = ", ".join(lacking.missing)
        told = f"{len(lacking.missing)} missing, so nothing can be synced: run `crm setup` ({names})"
        return Finding(subject, Health.WARNING, told)
    return Finding(subject, Health.OK, "all there")


def _policy_findings(policy: Policy) -> list[Finding]:
    """What a document that was stored earlier says that no file may say any more; nothing otherwise."""
    try:
        check_platforms(parse_policy(policy.document()), PLATFORMS)
    except PolicyError as error:
        return [Finding("policy", Health.PROBLEM, f"{error}\ncorrect it and run `policy activate`")]
    return []


def _prices_finding(policy: Policy, *, is_live: bool) -> Finding:
    open_keys = sorted(unconfirmed_prices(policy))
    if not open_keys:
        return Finding("prices", Health.OK, "every price is confirmed")
    health = Health.PROBLEM if is_live else Health.WARNING
    told = f"{len(open_keys)} not confirmed, which live mode refuses: run `prices confirm` ({', '.join(open_keys)})"
    return Finding("prices", health, told)


def _privacy_finding(policy: Policy, *, is_live: bool) -> Finding:
    keys = unrecorded_privacy(policy)
    if not keys:
        return Finding("privacy", Health.OK, "no placeholder stands for the lawful basis and the notice plan")
    health = Health.PROBLEM if is_live else Health.WARNING
    return Finding("privacy", health, f"nobody recorded {' and '.join(keys)}, which live mode refuses: {HOW_TO_RECORD}")


def _roster_finding(database: Database) -> Finding:
    with database.read() as connection:
        active = [bdr for bdr in roster.roster(connection) if bdr.is_active]
    if not active:
        return Finding("roster", Health.WARNING, "nobody receives leads, so every lead is held: run `bdr load`")
    return Finding("roster", Health.OK, f"{len(active)} people receive leads")
