"""Slack and the notifier as Dagster resources: they configure, nothing else."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, SecretStr

from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.connect import connect_notifier, connect_slack

if TYPE_CHECKING:
    from socialanalyzer_dagster.vendors.notifier import Channel, Notifier


class SlackResource(dg.ConfigurableResource[None]):
    """Slack: messages to one channel through an incoming webhook (SLACK_WEBHOOK_URL)."""

    webhook_url: str | None = Field(
        default=None, description="Another webhook, best given by an EnvVar; empty = the one of the settings."
    )

    def channel(self) -> "Channel | None":
        """Where messages go; None without a webhook. Raises SettingsError and BadAddress."""
        settings = Settings.from_environment()
        if self.webhook_url:
            settings = settings.model_copy(update={"slack_webhook_url": SecretStr(self.webhook_url)})
        return connect_slack(settings)


class NotifierResource(dg.ConfigurableResource[None]):
    """Every channel of notifications: Slack, e-mail (SMTP_URL, DIGEST_TO) and what NOTIFY_URLS names."""

    slack: SlackResource

    def connected(self) -> "Notifier":
        """The channels that have an address; raises SettingsError and BadAddress."""
        return connect_notifier(Settings.from_environment(), self.slack.channel())
