"""Messages through Dagster: the sensor sends, Slack is a resource, the digest and the report are assets."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from socialanalyzer_dagster.assets.daily_digest import daily_digest
from socialanalyzer_dagster.assets.weekly_report import weekly_report
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.definitions import build_definitions, default_resources
from socialanalyzer_dagster.domain.notifications import Message
from socialanalyzer_dagster.pipeline.policies import ensure_initial_policy
from socialanalyzer_dagster.resources.notifications import SlackResource
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.vendors.slack import messages
from socialanalyzer_dagster.sensors.outbox import outbox_sensor


@pytest.fixture
def sandbox(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """An installation with an empty database beside a sandbox."""
    shutil.copyfile(sqlite_template, tmp_path / "socialanalyzer.db")
    monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path))
    with SandboxServer(SandboxConfig(port=0)) as server:
        monkeypatch.setenv("SOCIALANALYZER_SANDBOX_URL", server.base_url)
        with open_office() as office:
            ensure_initial_policy(office.database, instant=True, now=office.clock.now())
        yield server


def tick(instance: dg.DagsterInstance) -> str | None:
    resources = dict(build_definitions().resources or {})
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        return outbox_sensor.evaluate_tick(context).skip_message


def texts(server: SandboxServer) -> list[str]:
    return [each["payload"]["attachments"][0]["blocks"][0]["text"]["text"] for each in messages(server.state)]


def test_the_digest_and_the_report_are_put_out_once_and_the_sensor_says_what_became_of_them(
    sandbox: SandboxServer,
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance) == "No message waits."
        for _ in range(2):
            result = dg.materialize([daily_digest, weekly_report], instance=instance, resources=default_resources())
            assert result.success
        today = datetime.now(UTC).date().isoformat()
        digest = result.asset_materializations_for_node("daily_digest")[0].metadata["digest"].value
        assert f"Daily digest of {today}" in str(digest)
        assert tick(instance) == "2 messages for a channel without an address (email)."
        assert tick(instance) == "No message waits."


def test_slack_is_a_resource_that_own_code_may_use(sandbox: SandboxServer) -> None:
    @dg.asset
    def greeting(slack: SlackResource) -> None:
        channel = slack.channel()
        assert channel is not None
        channel.send(Message(title="Good morning", text="*All* is well."))

    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"slack": SlackResource(webhook_url=f"{sandbox.base_url}/slack/services/T1/B1/x1")}
        assert dg.materialize([greeting], instance=instance, resources=resources).success
    assert texts(sandbox) == ["Good morning"]
