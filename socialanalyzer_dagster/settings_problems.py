"""What is wrong with values of the environment, as sentences without the values (spec 20)."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

SANDBOX_URL = "http://127.0.0.1:8321"
LIVE_REQUIRED = ("DATABASE_URL", "OPENAI_API_KEY", "SUPPRESSION_HMAC_KEY", "BDR_ROSTER_PATH")
_TOGETHER = (
    ("INSIGHTIQ_CLIENT_ID", "INSIGHTIQ_SECRET"),
    ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_BUCKET_NAME", "R2_ENDPOINT_URL"),
)
_SHORTEST_HMAC_KEY = 32
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
    urls = {name: values.get(name, "https://") for name in ("INSIGHTIQ_API_URL", "HUBSPOT_WEBHOOK_URL")}
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
