"""Events about what rules between stages saw or did; what they ask a person is an escalation (spec 15.1, 16)."""

from socialanalyzer_dagster.domain.notification_events import Event, Kind
from socialanalyzer_dagster.domain.sentences import begun, leads


class NicheCluster(Event):
    """Many good leads of a batch share a niche; `follow_up` says what the drafted search costs and how to answer.

    It is None where no search was drafted.
    """

    KIND = Kind.NICHE_CLUSTER
    niche: str
    leads: int
    share_percent: int
    follow_up: str | None

    @property
    def occasion(self) -> str:
        """One niche of one batch."""
        return f"{self.batch_id}:{self.niche}"

    def title(self, batch: str) -> str:
        """Which niche."""
        return f"A niche with many good leads: {self.niche}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """How many, and what search would follow."""
        share = f"{leads(self.leads)} of {batch} ({self.share_percent} % of those scored) share it."
        drafted = () if self.follow_up is None else (f"A follow-up search is drafted. {self.follow_up}",)
        return share, *drafted, "Nothing was launched."


class RuleTold(Event):
    """A rule says something about a batch, or holds it for a while; `why` is its sentence, `rule` its title."""

    KIND = Kind.RULE_TOLD
    choice: str
    """What the choice is known by."""
    rule: str
    why: str

    @property
    def occasion(self) -> str:
        """One choice."""
        return self.choice

    def title(self, batch: str) -> str:
        """Which batch, and about what."""
        return f"{begun(batch)}: {self.rule}"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """Why, and what was done."""
        return (self.why,)
