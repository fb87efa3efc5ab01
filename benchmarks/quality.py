"""How well scores tell good hosts from others: one batch per platform of the sandbox's world against its truth."""

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from sqlalchemy import and_, select

from benchmarks.figures import Figure
from benchmarks.house import House, sandbox_home
from benchmarks.options import Options
from socialanalyzer_dagster.domain.outcomes import TRIAGE_CODES
from socialanalyzer_dagster.domain.score_quality import JudgedLead, ScoreQuality, score_quality
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.sandbox.config import epoch_of_today
from socialanalyzer_dagster.sandbox.demo_searches import DEMO_SEARCHES
from socialanalyzer_dagster.sandbox.world.models import Truth
from socialanalyzer_dagster.sandbox.world.world import World
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow, StageOutcomeRow

LEADS = 200
GOOD_FROM = 0.5
"""A good host of the world: nothing speaks against them, and their five hidden qualities reach this on average."""


def measure(options: Options) -> Iterator[Figure]:
    """Precision per tier, tiers against the truth by platform, and good hosts by tenth of the scores."""
    for leads in options.sizes or (LEADS,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            sandbox_home(Path(folder), speed="instant") as environment,
        ):
            house = House(environment)
            for platform, filters in DEMO_SEARCHES.items():
                house.run_batch(platform, {**filters, "max_results": leads})
            settings = Settings.from_environment(environment)
            database = Database(settings.database_url.get_secret_value())
            found = score_quality(judged_leads(database, World(settings.sandbox_seed, epoch_of_today())))
            database.dispose()
        yield from figures(f"quality, {leads} leads a platform", found)


def figures(name: str, found: ScoreQuality) -> Iterator[Figure]:
    """The three views, share by share."""
    for tier, share in sorted(found.precision.items()):
        yield Figure(name=f"{name}: good hosts in {tier}", value=share.text)
    for platform, tiers in sorted(found.confusion.items()):
        for tier, share in sorted(tiers.items()):
            told = f"{share.good} good, {share.of - share.good} not"
            yield Figure(name=f"{name}: {platform}, {tier}", value=told)
    for number, band in enumerate(found.curve, start=1):
        scores = f"scores {band.lowest:.2f} to {band.highest:.2f}"
        yield Figure(name=f"{name}: good hosts in tenth {number}, {scores}", value=band.share.text)
    yield Figure(name=f"{name}: leads whose truth is not known", value=found.unknown)


def judged_leads(database: Database, world: World) -> Iterator[JudgedLead]:
    """Leads that were scored, or found unfit by triage; those that a rule or a missing address ended say nothing."""
    unfit = and_(StageOutcomeRow.stage == Stage.SCREENED, StageOutcomeRow.code.in_(TRIAGE_CODES))
    statement = (
        select(LeadRow.platform, LeadRow.platform_id, LeadRow.handle, ScoreRow.lead_score, ScoreRow.tier)
        .join(StageOutcomeRow, StageOutcomeRow.lead_uid == LeadRow.lead_uid)
        .join(ScoreRow, and_(ScoreRow.lead_uid == LeadRow.lead_uid, ScoreRow.kind == "live"), isouter=True)
        .where(StageOutcomeRow.is_current, unfit | (StageOutcomeRow.stage == Stage.SCORED))
        .where(StageOutcomeRow.result.in_(("passed", "rejected")))
        .order_by(LeadRow.platform, LeadRow.platform_id)
    )
    with database.read() as connection:
        for platform, platform_id, handle, score, tier in connection.execute(statement):
            creator = world.creator(platform, handle) or world.creator(platform, platform_id)
            yield JudgedLead(
                platform=platform,
                score=None if score is None else Decimal(score),
                tier=tier,
                is_good=None if creator is None else is_good_host(creator.truth),
            )


def is_good_host(truth: Truth) -> bool:
    """What a perfect judge would say, whatever the policy's weights are."""
    return truth.reject_code is None and sum(truth.dimensions) / len(truth.dimensions) >= GOOD_FROM
