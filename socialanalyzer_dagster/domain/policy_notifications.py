"""The policy section of notifications: who is told about what, and how long it is tried (spec 16)."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.policy_search import Positive, Section

ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class ReportsPolicy(Section):
    """What the daily digest and the weekly report cover."""

    digest_hours: Positive
    digest_leads: Positive
    """The best leads that the digest names by uid."""
    week_days: Positive
    week_searches: Positive
    """Searches that the weekly report lists."""


class NotificationsPolicy(Section):
    """Channels per kind of event, and the rhythm of sending."""

    channels: Mapping[Kind, tuple[ChannelName, ...]]
    """slack, email, badge, or a name of NOTIFY_URLS; a kind without channels is told to nobody."""
    retry_minutes: tuple[Positive, ...]
    """Waits before a message is tried again; after the last it is given up."""
    per_tick: Positive
    """Most messages of one look at the outbox."""
    lease_seconds: Positive
    """How long a sender may work on one message; after that nobody knows whether it arrived."""
    look_back_hours: Positive
    """How old news may be that tables and the decision log tell: what is older is not told any more."""
    reports: ReportsPolicy

    @model_validator(mode="after")
    def _names_every_kind(self) -> "NotificationsPolicy":
        if missing := sorted(set(Kind) - set(self.channels)):
            raise ValueError(f"channels lacks {', '.join(missing)}")
        return self
