"""The one reader of the environment: what the process is configured with, secrets never printed (spec 20)."""

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from socialanalyzer_dagster.settings_problems import (
    SANDBOX_URL,
    database_problems,
    live_problems,
    local_messages,
    mail_problems,
    normalized_database_url,
    sandbox_problems,
)

SECRETS = frozenset(
    {
        "DATABASE_URL",
        "OPENAI_API_KEY",
        "INSIGHTIQ_CLIENT_ID",
        "INSIGHTIQ_SECRET",
        "APIFY_API_TOKEN",
        "APOLLO_API_KEY",
        "MILLIONVERIFIER_API_KEY",
        "HUBSPOT_API_KEY",
        "HUBSPOT_WEBHOOK_URL",
        "HUBSPOT_CLIENT_SECRET",
        "R2_ACCESS_KEY_ID",
        "R2_SECRET_ACCESS_KEY",
        "SLACK_WEBHOOK_URL",
        "SMTP_URL",
        "NOTIFY_URLS",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "SUPPRESSION_HMAC_KEY",
        "CONSOLE_SECRET_KEY",
    }
)
PLAIN = frozenset(
    {
        "SOCIALANALYZER_ENV",
        "SOCIALANALYZER_HOME",
        "SOCIALANALYZER_UI_URL",
        "SOCIALANALYZER_SCHEDULES",
        "SOCIALANALYZER_SANDBOX_URL",
        "SOCIALANALYZER_SANDBOX_SEED",
        "SOCIALANALYZER_SANDBOX_SPEED",
        "SOCIALANALYZER_SANDBOX_FAULTS",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SERVICE_NAME",
        "DAGSTER_HOME",
        "POLICY_PATH",
        "BDR_ROSTER_PATH",
        "INSIGHTIQ_API_URL",
        "HUBSPOT_API_VERSION",
        "R2_BUCKET_NAME",
        "R2_ENDPOINT_URL",
        "DIGEST_TO",
        "CONSOLE_AUTH_FILE",
    }
)
VARIABLES = tuple(sorted(SECRETS | PLAIN))
_PREFIXED = ("ui_url", "schedules", "sandbox_url", "sandbox_seed", "sandbox_speed", "sandbox_faults")
_PLAIN_FIELDS = (
    "environment", "ui_url", "schedules", "sandbox_seed", "sandbox_speed", "sandbox_faults", "log_level", "log_format",
    "policy_path", "bdr_roster_path", "hubspot_api_version", "digest_to", "console_secret_key", "console_auth_file",
    "otel_traces_exporter", "otel_exporter_otlp_endpoint", "otel_service_name",
)  # fmt: skip
_SANDBOX_UI_URL = "http://127.0.0.1:3000"
_SANDBOX_KEY = "sandbox"
_SANDBOX_HMAC_KEY = "a key for the sandbox only, it protects nobody"
_SANDBOX_KEYS = (
    "OPENAI_API_KEY",
    "INSIGHTIQ_CLIENT_ID",
    "INSIGHTIQ_SECRET",
    "APIFY_API_TOKEN",
    "APOLLO_API_KEY",
    "MILLIONVERIFIER_API_KEY",
    "HUBSPOT_API_KEY",
)
_SANDBOX_PREFIXES = {
    "insightiq_url": "/insightiq",
    "apify_url": "/apify",
    "apollo_url": "/apollo/api/v1",
    "millionverifier_url": "/millionverifier",
    "openai_url": "/openai/v1",
    "hubspot_url": "/hubspot",
    "hubspot_webhook_url": "/hubspot/automation/v4/webhook-triggers/0/sandbox",
    "slack_webhook_url": "/slack/services/T00000000/B00000000/sandbox",
}


class SettingsError(ValueError):
    """The environment cannot be used; the text lists every problem, never a value."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("the environment is not complete:\n" + "\n".join(f"- {one}" for one in problems))
        self.problems = problems


class Settings(BaseModel):
    """Everything that comes from the environment, as typed values.

    In the sandbox every vendor's base URL points to the sandbox, keys are dummies, whatever the environment holds, and
    media stay in a local folder; mail and messages reach servers of this machine alone (I-70).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Literal["sandbox", "live"] = "sandbox"
    home: Path
    dagster_home: Path
    database_url: SecretStr
    ui_url: str | None = None
    schedules: Literal["on", "off"] = "off"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "json"
    otel_traces_exporter: Literal["none", "otlp"] = "none"
    otel_exporter_otlp_endpoint: str = "http://127.0.0.1:4318"
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_service_name: str = "socialanalyzer"
    policy_path: Path | None = None
    bdr_roster_path: Path | None = None

    sandbox_url: str = "http://127.0.0.1:8321"
    sandbox_seed: int = 7
    sandbox_speed: Literal["instant", "realistic"] = "instant"
    sandbox_faults: Literal["none", "flaky", "hostile"] = "none"

    openai_api_key: SecretStr | None = None
    openai_url: str = "https://api.openai.com/v1"
    insightiq_client_id: SecretStr | None = None
    insightiq_secret: SecretStr | None = None
    insightiq_url: str = "https://api.insightiq.ai"
    apify_api_token: SecretStr | None = None
    apify_url: str = "https://api.apify.com"
    apollo_api_key: SecretStr | None = None
    apollo_url: str = "https://api.apollo.io/api/v1"
    millionverifier_api_key: SecretStr | None = None
    millionverifier_url: str = "https://api.millionverifier.com"
    hubspot_api_key: SecretStr | None = None
    hubspot_url: str = "https://api.hubapi.com"
    hubspot_api_version: str = "v3"
    hubspot_webhook_url: SecretStr | None = None
    hubspot_client_secret: SecretStr | None = None

    media_store_url: str
    r2_access_key_id: SecretStr | None = None
    r2_secret_access_key: SecretStr | None = None
    r2_endpoint_url: str | None = None

    slack_webhook_url: SecretStr | None = None
    smtp_url: SecretStr | None = None
    notify_urls: SecretStr | None = None
    digest_to: str | None = None
    suppression_hmac_key: SecretStr
    console_secret_key: SecretStr | None = None
    console_auth_file: Path | None = None
    variables_set: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """The settings of `environ` (default: the process's); raises SettingsError with all problems at once."""
        given = {name: value.strip() for name, value in (os.environ if environ is None else environ).items()}
        values = {name: given[name] for name in VARIABLES if given.get(name)}
        is_live = values.get("SOCIALANALYZER_ENV", "sandbox") == "live"
        problems = database_problems(values) + mail_problems(values)
        problems += live_problems(values) if is_live else sandbox_problems(values)
        fields = {**_places(values), **_plain_fields(values), "variables_set": frozenset(values)}
        fields.update(_live_fields(values) if is_live else _sandbox_fields(values))
        try:
            settings = cls.model_validate(fields)
        except ValidationError as error:
            raise SettingsError((*problems, *_readable(error))) from None
        if problems:
            raise SettingsError(tuple(problems))
        return settings

    @property
    def is_sandbox(self) -> bool:
        """True when nothing outside this machine may be reached."""
        return self.environment == "sandbox"

    @property
    def suppression_key(self) -> bytes:
        """The key of the suppression list's hashes (spec 19.2)."""
        return self.suppression_hmac_key.get_secret_value().encode()

    @property
    def boundary_secret(self) -> bytes:
        """The install secret for data boundaries in prompts (spec 9.1), derived so that no key serves two ends."""
        return hmac.new(self.suppression_key, b"data boundary", hashlib.sha256).digest()

    def describe(self) -> Mapping[str, bool]:
        """Which variables are set, without their values."""
        return {name: name in self.variables_set for name in VARIABLES}


def load_env_file(file: Path = Path(".env")) -> None:
    """Take from a `.env` of the working directory the variables that the environment does not hold.

    Empty ones say nothing, and names that nothing here reads are left alone.
    """
    for name, value in dotenv_values(file, interpolate=False).items():
        if value and name in VARIABLES:
            os.environ.setdefault(name, value)


def schedules_are_on() -> bool:
    """True where SOCIALANALYZER_SCHEDULES says so: the schedules and the top-up of days run without being started."""
    return os.environ.get("SOCIALANALYZER_SCHEDULES", "").strip() == "on"


@contextmanager
def environment_with(changes: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with changes while the block runs, as settings read it."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def inherited_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with changes, for a child process."""
    return {**os.environ, **changes}


def name_database_driver() -> None:
    """Write DATABASE_URL with its driver into this process's environment, where Dagster's instance file reads it.

    Without the driver SQLAlchemy takes another one than dagster-postgres brings, and Dagster ends with an import error.
    """
    if given := os.environ.get("DATABASE_URL", "").strip():
        os.environ["DATABASE_URL"] = normalized_database_url(given)


def _places(values: Mapping[str, str]) -> dict[str, object]:
    home = Path(values.get("SOCIALANALYZER_HOME", ".socialanalyzer")).expanduser().absolute()
    dagster_home = Path(values.get("DAGSTER_HOME", home / "dagster")).expanduser().absolute()
    database = normalized_database_url(values.get("DATABASE_URL", f"sqlite:///{home / 'socialanalyzer.db'}"))
    return {
        "home": home,
        "dagster_home": dagster_home,
        "database_url": database,
        "media_store_url": (home / "media").as_uri(),
    }


def _plain_fields(values: Mapping[str, str]) -> dict[str, object]:
    return {field: values[name] for field in _PLAIN_FIELDS if (name := _variable(field)) in values}


def _live_fields(values: Mapping[str, str]) -> dict[str, object]:
    own = {name.lower(): values[name] for name in SECRETS - {"DATABASE_URL"} if name in values}
    fields: dict[str, object] = {"suppression_hmac_key": "", **own}
    if "INSIGHTIQ_API_URL" in values:
        fields["insightiq_url"] = values["INSIGHTIQ_API_URL"].rstrip("/")
    if "R2_BUCKET_NAME" in values:
        fields["media_store_url"] = f"s3://{values['R2_BUCKET_NAME']}"
        fields["r2_endpoint_url"] = values.get("R2_ENDPOINT_URL")
    return fields


def _sandbox_fields(values: Mapping[str, str]) -> dict[str, object]:
    base = values.get("SOCIALANALYZER_SANDBOX_URL", SANDBOX_URL).rstrip("/")
    fields: dict[str, object] = {name.lower(): _SANDBOX_KEY for name in _SANDBOX_KEYS}
    fields.update({field: base + prefix for field, prefix in _SANDBOX_PREFIXES.items()})
    fields["ui_url"] = values.get("SOCIALANALYZER_UI_URL", _SANDBOX_UI_URL)
    fields.update(local_messages(values))
    key = values.get("SUPPRESSION_HMAC_KEY", _SANDBOX_HMAC_KEY)
    return {**fields, "sandbox_url": base, "suppression_hmac_key": key}


def _readable(error: ValidationError) -> list[str]:
    """One sentence per field, without its value."""
    details = error.errors(include_input=False, include_url=False)
    return [f"{_variable(str(detail['loc'][0]))}: {detail['msg']}" for detail in details]


def _variable(field: str) -> str:
    """The variable a field is read from."""
    if field == "environment":
        return "SOCIALANALYZER_ENV"
    return f"SOCIALANALYZER_{field.upper()}" if field in _PREFIXED else field.upper()
