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
        return connect_slack(self.applied(Settings.from_environment()))

    def applied(self, settings: Settings) -> Settings:
        """The settings with this resource's webhook in them."""
        if not self.webhook_url:
            return settings
        return settings.model_copy(update={"slack_webhook_url": SecretStr(self.webhook_url)})


class NotifierResource(dg.ConfigurableResource[None]):
    """Every channel of notifications: Slack, e-mail (SMTP_URL, DIGEST_TO) and what NOTIFY_URLS names."""

    slack: SlackResource

    def connected(self) -> "Notifier":
        """The channels that have an address; raises SettingsError."""
        return connect_notifier(self.slack.applied(Settings.from_environment()))
