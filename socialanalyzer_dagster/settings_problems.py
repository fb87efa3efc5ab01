"""What is wrong with values of the environment, as sentences without the values (spec 20)."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

SANDBOX_URL = "http://127.0.0.1:8321"
LIVE_REQUIRED = ("DATABASE_URL", "OPENAI_API_KEY", "SUPPRESSION_HMAC_KEY", "BDR_ROSTER_PATH")
_TOGETHER = (
    ("INSIGHTIQ_CLIENT_ID", "INSIGHTIQ_SECRET"),
    ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_BUCKET_NAME", "R2_ENDPOINT_URL"),
)
_SHORTEST_HMAC_KEY = 32
_SECURE_URLS = ("INSIGHTIQ_API_URL", "HUBSPOT_WEBHOOK_URL", "SLACK_WEBHOOK_URL")
_CHANNEL_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_OWN_CHANNELS = ("slack", "email", "badge")
_SQLITE = "sqlite:///"


def normalized_database_url(url: str) -> str:
    """The URL with the driver the project uses: `postgres://` and `postgresql://` mean psycopg2 (architecture 7).

    The file of a SQLite database is named from the root, so that processes started elsewhere mean the same one.
    """
    if file := url.removeprefix(_SQLITE) if url.startswith(_SQLITE) else "":
        return _SQLITE + str(Path(file).absolute())
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg2://" + url.removeprefix(prefix)
    return url


def database_problems(values: Mapping[str, str]) -> list[str]:
    """Of DATABASE_URL."""
    url = normalized_database_url(values.get("DATABASE_URL", "sqlite:///default"))
    if re.fullmatch(r"postgresql\+psycopg2://.+|sqlite:///.+", url):
        return []
    return ["DATABASE_URL must be postgresql://user:password@host:port/name, or sqlite:///path"]


def live_problems(values: Mapping[str, str]) -> list[str]:
    """Of a live environment."""
    problems = [f"{name} is required in live mode" for name in LIVE_REQUIRED if name not in values]
    for names in _TOGETHER:
        missing = [name for name in names if name not in values]
        if missing and len(missing) < len(names):
            problems.append(
                f"{', '.join(missing)} must be set together with the other {names[0].split('_')[0]} variables"
            )
    if "INSIGHTIQ_CLIENT_ID" not in values and "APIFY_API_TOKEN" not in values:
        problems.append("INSIGHTIQ_CLIENT_ID with INSIGHTIQ_SECRET, or APIFY_API_TOKEN, is required to find creators")
    if 0 < len(values.get("SUPPRESSION_HMAC_KEY", "")) < _SHORTEST_HMAC_KEY:
        problems.append(f"SUPPRESSION_HMAC_KEY must have at least {_SHORTEST_HMAC_KEY} characters")
    urls = {name: values.get(name, "https://") for name in _SECURE_URLS}
    problems += [f"{name} must start with https://" for name, url in urls.items() if not url.startswith("https://")]
    if not values.get("OTEL_EXPORTER_OTLP_ENDPOINT", "https://").startswith(("http://", "https://")):
        problems.append("OTEL_EXPORTER_OTLP_ENDPOINT must start with http:// or https://")
    return problems


def sandbox_problems(values: Mapping[str, str]) -> list[str]:
    """Of a sandbox environment."""
    urls = {
        name: values.get(name, SANDBOX_URL) for name in ("SOCIALANALYZER_SANDBOX_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")
    }
    return [f"{name} must be an http:// address of this machine" for name, url in urls.items() if not _is_here(url)]


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def mail_problems(values: Mapping[str, str]) -> list[str]:
    """Of the variables of notifications, in either mode."""
    return [*_smtp_problems(values), *_named_url_problems(values.get("NOTIFY_URLS", ""))]


def _smtp_problems(values: Mapping[str, str]) -> Iterator[str]:
    if not (url := values.get("SMTP_URL")):
        return
    if "DIGEST_TO" not in values:
        yield "DIGEST_TO must say who gets the messages of SMTP_URL"
    try:
        parts = urlsplit(url)
        is_server = (
            parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        is_server = False
    if not is_server:
        yield "SMTP_URL must be smtps://user:password@host:port?from=ADDRESS (or smtp:// for STARTTLS)"
    elif "@" not in unquote(parts.username or "") and not re.search(r"(?:^|&)from=[^&]*(?:@|%40)", parts.query):
        yield "SMTP_URL must say whom its messages are from: ?from=ADDRESS"


def _named_url_problems(text: str) -> Iterator[str]:
    names = [name for name, _ in named_urls(text)]
    if any("://" not in url or not _CHANNEL_NAME.fullmatch(name) for name, url in named_urls(text)):
        yield "NOTIFY_URLS must be name=url pairs with spaces between them; a name is small letters, digits and -"
    if taken := sorted({*names} & {*_OWN_CHANNELS}):
        yield f"NOTIFY_URLS must not name {', '.join(taken)}: SLACK_WEBHOOK_URL and SMTP_URL are for these"
    if len(names) > len(set(names)):
        yield "NOTIFY_URLS names a channel twice"


def named_urls(text: str) -> list[tuple[str, str]]:
    """The (name, url) pairs of NOTIFY_URLS; a part without a name has an empty one."""
    parts = (part.partition("=") for part in text.split())
    return [(name, url) if mark else ("", name) for name, mark, url in parts]


def local_messages(values: Mapping[str, str]) -> Mapping[str, str]:
    """The settings of messages that the sandbox keeps: mail and plain JSON to this machine.

    Other services choose their own hosts.
    """
    pairs = named_urls(values.get("NOTIFY_URLS", ""))
    kept = [f"{name}={url}" for name, url in pairs if url.startswith("json://") and _is_local(url)]
    mail = values.get("SMTP_URL", "")
    return {"notify_urls": " ".join(kept), **({"smtp_url": mail} if _is_local(mail) else {})}


def channel_urls(given: SecretStr | None) -> Mapping[str, str]:
    """Channels of messages by name, as NOTIFY_URLS lists them."""
    return dict(named_urls(given.get_secret_value() if given is not None else ""))


def _is_local(url: str) -> bool:
    """True for an address of this machine."""
    try:
        return _is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
