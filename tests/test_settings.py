"""Facts about the environment: what is read, what is refused, and what is never shown (spec 20, I-61, I-70)."""

import os
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from socialanalyzer_dagster.commands.system import served_places
from socialanalyzer_dagster.pipeline.doctor import READ_BY_NOTHING_YET
from socialanalyzer_dagster.settings import (
    SECRETS,
    VARIABLES,
    Settings,
    SettingsError,
    inherited_environment,
    load_env_file,
    name_database_driver,
)
from socialanalyzer_dagster.settings_problems import LIVE_REQUIRED, normalized_database_url

ROOT = Path(__file__).parent.parent
LIVE = {
    "SOCIALANALYZER_ENV": "live",
    "DATABASE_URL": "postgres://user:hidden-word@db/leads",
    "OPENAI_API_KEY": "sk-hidden-word",
    "SUPPRESSION_HMAC_KEY": "hidden-word-" * 4,
    "BDR_ROSTER_PATH": "/etc/roster.csv",
    "INSIGHTIQ_CLIENT_ID": "hidden-word-id",
    "INSIGHTIQ_SECRET": "hidden-word-secret",
}
SPEC_VARIABLES = {
    "SOCIALANALYZER_ENV", "LOG_LEVEL", "LOG_FORMAT", "DATABASE_URL", "DAGSTER_HOME", "POLICY_PATH", "BDR_ROSTER_PATH",
    "OPENAI_API_KEY", "INSIGHTIQ_CLIENT_ID", "INSIGHTIQ_SECRET", "INSIGHTIQ_API_URL", "APIFY_API_TOKEN",
    "APOLLO_API_KEY", "MILLIONVERIFIER_API_KEY", "HUBSPOT_API_KEY", "HUBSPOT_API_VERSION", "HUBSPOT_WEBHOOK_URL",
    "HUBSPOT_CLIENT_SECRET",
    "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_BUCKET_NAME", "R2_ENDPOINT_URL", "SLACK_WEBHOOK_URL", "SMTP_URL",
    "DIGEST_TO", "NOTIFY_URLS", "SUPPRESSION_HMAC_KEY", "CONSOLE_SECRET_KEY", "CONSOLE_AUTH_FILE",
}  # fmt: skip


def problems_of(environ) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    return caught.value.problems


def example() -> dict[str, str]:
    """The variables of the example file; one that is there to be uncommented has no value yet."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    lines = re.findall(r"^(# )?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE)
    return {name: "" if is_comment else value for is_comment, name, value in lines}


def test_the_example_file_lists_every_variable_and_no_other():
    assert set(example()) == set(VARIABLES)
    assert set(VARIABLES) >= SPEC_VARIABLES


def test_the_example_file_holds_no_secret_and_can_be_used_as_it_is():
    assert [name for name in SECRETS if example()[name]] == []
    assert Settings.from_environment(example()).is_sandbox


def test_every_variable_of_the_example_has_a_sentence_above_it():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    groups = re.split(r"\n\n", text)
    for name in VARIABLES:
        group = next(one for one in groups if re.search(rf"^(?:# )?{name}=", one, re.MULTILINE))
        assert re.search(rf"^# [A-Za-z0-9].*\n(?:[A-Z0-9_]+=.*\n)*(?:# )?{name}=", group, re.MULTILINE), name


def test_the_example_file_says_which_variables_nothing_reads_yet():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    _, unread = text.split("# --- Read by nothing yet")
    assert sorted(re.findall(r"^([A-Z_]+)=", unread, re.MULTILINE)) == list(READ_BY_NOTHING_YET)
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "socialanalyzer_dagster").rglob("*.py")]
    fields = [f"settings.{name.lower()}" for name in READ_BY_NOTHING_YET]
    assert [field for field in fields if any(field in module for module in code)] == []


def test_no_other_module_reads_the_environment():
    readers = [
        path.name
        for path in (ROOT / "socialanalyzer_dagster").rglob("*.py")
        if re.search(r"os\.environ|os\.getenv|getenv\(", path.read_text(encoding="utf-8"))
        and "sandbox" not in path.parts
    ]
    assert readers == ["settings.py"]


def test_an_empty_environment_is_the_sandbox(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    home = tmp_path / ".socialanalyzer"
    assert settings.is_sandbox
    assert settings.database_url.get_secret_value() == f"sqlite:///{home}/socialanalyzer.db"
    assert (settings.home, settings.dagster_home) == (home, home / "dagster")
    assert settings.media_store_url == (home / "media").as_uri()


def test_in_the_sandbox_every_vendor_is_the_sandbox_whatever_keys_are_set():
    settings = Settings.from_environment(
        {**LIVE, "SOCIALANALYZER_ENV": "sandbox", "INSIGHTIQ_API_URL": "https://x.example"}
    )
    base = "http://127.0.0.1:8321"
    assert [
        settings.insightiq_url,
        settings.apify_url,
        settings.apollo_url,
        settings.millionverifier_url,
        settings.openai_url,
        settings.hubspot_url,
    ] == [
        f"{base}/insightiq",
        f"{base}/apify",
        f"{base}/apollo/api/v1",
        f"{base}/millionverifier",
        f"{base}/openai/v1",
        f"{base}/hubspot",
    ]
    keys = (settings.openai_api_key, settings.insightiq_secret, settings.millionverifier_api_key)
    assert {key.get_secret_value() for key in keys if key} == {"sandbox"}
    assert settings.media_store_url.startswith("file://")


@pytest.mark.parametrize("url", ["http://10.0.0.1:8321", "https://127.0.0.1", "http://sandbox.example", "nonsense"])
def test_a_sandbox_elsewhere_is_refused(url):
    assert problems_of({"SOCIALANALYZER_SANDBOX_URL": url}) == (
        "SOCIALANALYZER_SANDBOX_URL must be an http:// address of this machine",
    )


def test_traces_are_off_and_the_sandbox_sends_them_to_this_machine_alone():
    assert Settings.from_environment({}).otel_traces_exporter == "none"
    elsewhere = "https://collector.example"
    told = problems_of({"OTEL_EXPORTER_OTLP_ENDPOINT": elsewhere})
    assert told == ("OTEL_EXPORTER_OTLP_ENDPOINT must be an http:// address of this machine",)
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=hidden-word"}
    assert Settings.from_environment(headers).otel_exporter_otlp_headers is None
    live = Settings.from_environment({**LIVE, **headers, "OTEL_EXPORTER_OTLP_ENDPOINT": elsewhere})
    assert live.otel_exporter_otlp_headers.get_secret_value() == "api-key=hidden-word"
    assert "hidden-word" not in repr(live)
    assert "http:// or https://" in problems_of({**LIVE, "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"})[0]


def test_live_mode_lists_everything_that_is_missing_at_once():
    text = "\n".join(problems_of({"SOCIALANALYZER_ENV": "live"}))
    for name in (*LIVE_REQUIRED, "INSIGHTIQ_CLIENT_ID", "APIFY_API_TOKEN"):
        assert name in text


def test_live_mode_with_everything_required_starts():
    settings = Settings.from_environment(LIVE)
    assert not settings.is_sandbox
    assert settings.insightiq_url == "https://api.insightiq.ai"
    assert settings.apify_api_token is None
    assert settings.database_url.get_secret_value() == "postgresql+psycopg2://user:hidden-word@db/leads"


def test_only_the_sandbox_knows_where_the_user_interface_is_without_being_told():
    told = {"SOCIALANALYZER_UI_URL": "https://leads.example"}
    assert Settings.from_environment(LIVE).ui_url is None
    assert Settings.from_environment(LIVE | told).ui_url == "https://leads.example"
    assert Settings.from_environment({}).ui_url == "http://127.0.0.1:3000"
    assert Settings.from_environment(told).ui_url == "https://leads.example"


def test_the_served_interface_knows_its_own_port_in_the_sandbox_alone():
    told = {"SOCIALANALYZER_UI_URL": "https://leads.example"}
    assert served_places(Settings.from_environment({}), 3100)["SOCIALANALYZER_UI_URL"] == "http://127.0.0.1:3100"
    assert "SOCIALANALYZER_UI_URL" not in served_places(Settings.from_environment(told), 3100)
    assert "SOCIALANALYZER_UI_URL" not in served_places(Settings.from_environment(LIVE), 3100)


def test_keys_that_belong_together_are_set_together():
    half = {name: value for name, value in LIVE.items() if name != "INSIGHTIQ_SECRET"}
    assert any("INSIGHTIQ_SECRET" in one for one in problems_of({**half, "APIFY_API_TOKEN": "x"}))
    assert any("R2_ENDPOINT_URL" in one for one in problems_of({**LIVE, "R2_BUCKET_NAME": "b"}))


def test_all_four_bucket_variables_move_media_to_the_bucket():
    bucket = {
        "R2_ACCESS_KEY_ID": "a", "R2_SECRET_ACCESS_KEY": "b", "R2_BUCKET_NAME": "leads", "R2_ENDPOINT_URL": "https://r.example",
    }  # fmt: skip
    settings = Settings.from_environment({**LIVE, **bucket})
    assert (settings.media_store_url, settings.r2_endpoint_url) == ("s3://leads", "https://r.example")


def test_a_short_suppression_key_is_refused():
    assert problems_of({**LIVE, "SUPPRESSION_HMAC_KEY": "short"}) == (
        "SUPPRESSION_HMAC_KEY must have at least 32 characters",
    )


def test_wrong_values_are_all_named_and_none_is_shown():
    wrong = {
        "SOCIALANALYZER_ENV": "hidden-word", "SOCIALANALYZER_SANDBOX_SEED": "hidden-word", "LOG_LEVEL": "hidden-word",
        "SOCIALANALYZER_SANDBOX_SPEED": "hidden-word", "LOG_FORMAT": "hidden-word",
    }  # fmt: skip
    problems = problems_of(wrong)
    assert {one.split(":")[0] for one in problems} == set(wrong)
    assert "hidden-word" not in "\n".join(problems)


def test_no_text_form_shows_a_secret():
    settings = Settings.from_environment(LIVE)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {settings.describe()}"
    assert "hidden-word" not in shown


def test_the_description_says_which_variables_are_set():
    described = Settings.from_environment({"LOG_LEVEL": "DEBUG", "APOLLO_API_KEY": "", "PATH": "/bin"}).describe()
    assert [name for name, is_set in described.items() if is_set] == ["LOG_LEVEL"]
    assert set(described) == set(VARIABLES)


def test_the_boundary_secret_depends_on_the_installs_key_and_is_not_it():
    one = Settings.from_environment(LIVE).boundary_secret
    other = Settings.from_environment({**LIVE, "SUPPRESSION_HMAC_KEY": "x" * 32}).boundary_secret
    assert len(one) == 32
    assert one != other


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("postgres://h/d", "postgresql+psycopg2://h/d"),
        ("postgresql://h/d", "postgresql+psycopg2://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
    ],
)
def test_database_urls_name_the_driver(url, normal):
    assert normalized_database_url(url) == normal


def test_child_processes_read_the_database_url_with_its_driver(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user@h/d")
    name_database_driver()
    assert inherited_environment({})["DATABASE_URL"] == "postgresql+psycopg2://user@h/d"


def test_no_database_url_stays_none(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    name_database_driver()
    assert "DATABASE_URL" not in inherited_environment({})


@pytest.mark.parametrize(
    "url", ["mysql://user:hidden-word@h/d", "::hidden-word::", "postgresql+asyncpg://h/d", "sqlite://"]
)
def test_a_database_of_another_kind_is_refused_without_showing_its_url(url):
    (problem,) = problems_of({"DATABASE_URL": url})
    assert problem.startswith("DATABASE_URL must be")
    assert "hidden-word" not in problem


def test_a_file_of_the_working_directory_fills_in_what_the_environment_does_not_say(tmp_path, monkeypatch):
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL=DEBUG\nPOLICY_PATH=from-file.yaml\nDIGEST_TO=\nNOBODY_READS_THIS=1\n", encoding="utf-8")
    for name in ("LOG_LEVEL", "POLICY_PATH", "DIGEST_TO", "NOBODY_READS_THIS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("POLICY_PATH", "from-environment.yaml")
    load_env_file(file)
    said = {name: os.environ.get(name) for name in ("LOG_LEVEL", "POLICY_PATH", "DIGEST_TO", "NOBODY_READS_THIS")}
    assert said == {
        "LOG_LEVEL": "DEBUG",
        "POLICY_PATH": "from-environment.yaml",
        "DIGEST_TO": None,
        "NOBODY_READS_THIS": None,
    }


def test_an_unedited_copy_of_the_example_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = Settings.from_environment({})
    assert Settings.from_environment(example()).model_dump(exclude={"variables_set"}) == before.model_dump(
        exclude={"variables_set"}
    )
    raw = dotenv_values(ROOT / ".env.example")
    assert "DAGSTER_HOME" not in raw, "Dagster reads the file itself and would take an empty one for a temporary home"


def test_the_file_of_a_database_is_named_from_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert normalized_database_url("sqlite:///leads.db") == f"sqlite:///{tmp_path}/leads.db"
    assert normalized_database_url("sqlite:////srv/leads.db") == "sqlite:////srv/leads.db"
