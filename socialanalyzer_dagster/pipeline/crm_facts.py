"""What each lead of a batch should look like in the CRM, put together from everything stored about it (spec 11.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.crm_diff import ProposedContact
from socialanalyzer_dagster.domain.crm_mapping import AnalysisFacts, LeadFacts, Lineage, desired_properties
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.evidence_blocks import EvidenceBlocks, ScoringMaterial
from socialanalyzer_dagster.domain.filters import SearchFilters
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.outreach import (
    OutreachDecision,
    QueueDecision,
    SubscriberKind,
    named_country,
    outreach_decision,
    queue_decision,
)
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadWork
from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.suppression import identifiers_of_candidates, identifiers_of_record
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.runner_work import load_findings
from socialanalyzer_dagster.platforms.evidence_kinds import ENRICHMENT_SUMMARY, EnrichmentSummary
from socialanalyzer_dagster.platforms.evidence_reading import body_of
from socialanalyzer_dagster.storage import crm_facts, tier_overrides
from socialanalyzer_dagster.storage.crm_facts import ContactFacts
from socialanalyzer_dagster.storage.scores import ScoresOf
from socialanalyzer_dagster.storage.tier_overrides import TierOverride

_BLOCKS = (
    "niche",
    "in_person_events",
    "community_platforms",
    "monetization",
    "authenticity_degree",
    "creator_visibility",
    "audience_engagement",
    "travel_relevance",
)


class ScoreMissing(RuntimeError):
    """A lead passed at scored without a stored score: a programming error that must not reach the CRM (I-3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A lead that passed scored: its contact as it should be, who it is, and whether a BDR gets it."""

    contact: ProposedContact
    identifiers: tuple[Identifier, ...]
    queue: QueueDecision

    @property
    def uid(self) -> LeadUid:
        """The lead."""
        return self.contact.uid

    @property
    def email(self) -> str | None:
        """The address it would be written with."""
        return self.contact.properties.get("email")


def load_proposals(
    connection: Connection, batch: OpenBatch, policy: Policy, window: list[tuple[LeadUid, int]]
) -> list[Proposal]:
    """Proposals of these (lead, position) pairs under this policy, in their order: a fixed number of queries.

    Raises ScoreMissing for a lead without a score.
    """
    row = batch.row
    leads = [uid for uid, _ in window]
    works = load_findings(connection, row.batch_id, window)
    contacts = crm_facts.contact_facts(connection, leads)
    of = ScoresOf(batch_id=row.batch_id, policy_hash=row.policy_hash)
    scores = crm_facts.live_scores(connection, of, leads)
    analyzed = crm_facts.analyzed_at(connection, row.batch_id, leads)
    overrides = tier_overrides.overrides_of(connection, leads)
    proposals = []
    for work in works:
        score = scores.get(work.uid)
        if score is None:
            raise ScoreMissing(f"lead {work.uid} passed at scored without a score")
        found = _Found(batch, work, contacts[work.uid], score, analyzed.get(work.uid), overrides.get(work.uid))
        proposals.append(found.proposal(policy))
    return proposals


@dataclass(frozen=True, slots=True)
class _Found:
    batch: OpenBatch
    work: LeadWork
    contact: ContactFacts
    score: ScoreRecord
    analyzed_at: datetime | None
    override: TierOverride | None

    def proposal(self, policy: Policy) -> Proposal:
        material = self.batch.platform.scoring_material(self.work)
        outreach = self._outreach(policy)
        status = EmailStatus(self.contact.email_status) if self.contact.email_status is not None else None
        facts = LeadFacts(
            record=self.work.record,
            values=self.contact.values,
            email_status=status,
            salutation=self.contact.values.get("first_name"),
            score=self.score,
            analysis=self._analysis(material),
            lineage=self._lineage(),
            email_allowed=outreach.email_allowed,
            platform_properties=self.batch.platform.crm_properties(self.work.record),
            warnings=_warnings(self.work, material),
            override=None if self.override is None else self.override.tier,
        )
        contact = ProposedContact(
            uid=self.work.uid,
            properties=desired_properties(facts, policy),
            tier=facts.tier,
            email_status=status,
            outreach=outreach,
            is_overridden=self.override is not None,
        )
        return Proposal(
            contact=contact,
            identifiers=self._identifiers(),
            queue=queue_decision(facts.tier, status, outreach, policy),
        )

    def _analysis(self, material: ScoringMaterial | None) -> AnalysisFacts:
        if material is None:
            return AnalysisFacts(category=self.score.inputs.category, analyzed_at=self.analyzed_at)
        return AnalysisFacts(
            category=material.category,
            profile=material.profile,
            item_summaries=tuple(item.judgement.summary for item in material.items),
            assessment=material.assessment,
            communities=material.blocks.communities,
            items_analyzed=len(material.items) if material.items else None,
            analyzed_at=self.analyzed_at,
        )

    def _outreach(self, policy: Policy) -> OutreachDecision:
        country = self.contact.values.get("country") or self.work.record.country
        filters = self.batch.filters
        place = filters.target_place if isinstance(filters, SearchFilters) else None
        kind = SubscriberKind(self.contact.subscriber_kind)
        return outreach_decision(country, kind, policy, target_country=named_country(place, policy))

    def _lineage(self) -> Lineage:
        return Lineage(
            batch_key=self.batch.row.partition_key,
            policy_version=self.batch.row.policy_version,
            evidence_link=self.batch.workplace.batch_link(self.batch.row.partition_key),
            contact_source=self.contact.email_source,
            collected_at=self.contact.collected_at,
        )

    def _identifiers(self) -> tuple[Identifier, ...]:
        values = self.contact.values
        kinds = {"email": IdentifierKind.EMAIL, "phone": IdentifierKind.PHONE}
        chosen = tuple(Identifier(kind, values[name]) for name, kind in kinds.items() if name in values)
        known = (*identifiers_of_record(self.work.record), *identifiers_of_candidates(self.work.candidates), *chosen)
        return tuple(dict.fromkeys(known))


def _warnings(work: LeadWork, material: ScoringMaterial | None) -> tuple[str, ...]:
    """Codes of enrichment steps that did not work, and of evidence that nobody could see."""
    summary = body_of(work.evidence, ENRICHMENT_SUMMARY, EnrichmentSummary)
    steps = summary.warnings if summary is not None else ()
    unseen = unseen_sources(material.blocks) if material is not None else ["analysis"]
    return (*steps, *(f"{source}_not_observed" for source in unseen))


def unseen_sources(blocks: EvidenceBlocks) -> Sequence[str]:
    """Sources, e.g. "captions", that the platform has and that were not observed for this lead."""
    observations = (seen for name in _BLOCKS for seen in getattr(blocks, name) or ())
    return list(dict.fromkeys(seen.source for seen in observations if seen.facts is None))
