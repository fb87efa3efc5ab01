"""What happens to a simulated world: it grows, a vendor fails, prices double, half of a platform's leads are none."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.demo_searches import team_searches
from socialanalyzer_dagster.sandbox.happenings import GROWTH, Happenings
from socialanalyzer_dagster.sandbox.state import SandboxState

pytestmark = pytest.mark.xdist_group("simulation")  # begun with the other groups: one of them takes long

START = datetime(2027, 1, 4, tzinfo=UTC)


@pytest.fixture
def state() -> SandboxState:
    return SandboxState(SandboxConfig(epoch=START))


@pytest.fixture
def month() -> Happenings:
    return Happenings(START, 30)


def found(state: SandboxState) -> list[str]:
    return [creator.handle for creator in state.world.search_patreon("hiking")]


def test_the_world_grows_by_half_a_percent_a_day_and_loses_nobody(state: SandboxState, month: Happenings) -> None:
    month.apply(state, START)
    first = found(state)
    month.apply(state, START + timedelta(days=29))
    last = found(state)
    assert set(first) < set(last)
    assert len(last) / len(first) == pytest.approx((1 + GROWTH) ** 29, abs=0.05)
    month.apply(state, START + timedelta(days=30))
    assert state.world.population.born == 1.0


def test_a_vendor_is_down_for_six_hours_of_a_working_day(state: SandboxState, month: Happenings) -> None:
    begins, ends = month.outage
    assert ends - begins == timedelta(hours=6)
    assert begins.weekday() < 5
    for moment, switches in ((begins - timedelta(minutes=1), 0), (begins, 1), (ends, 0)):
        month.apply(state, moment)
        assert len(state.faults.switches) == switches


def test_prices_of_one_vendor_double_from_a_day_on(state: SandboxState, month: Happenings) -> None:
    before = state.bill.price_micros("apify.patreon"), state.bill.price_micros("openai.gpt-4o.input")
    month.apply(state, month.dear_from)
    assert state.bill.price_micros("apify.patreon") == before[0] * 2
    assert state.bill.price_micros("openai.gpt-4o.input") == before[1]
    charge = state.bill.charge("apify", "run_start", {"apify.patreon": 3})
    assert charge.micros == 2 * 3 * Fraction(before[0])


def test_half_of_a_platforms_creators_are_no_leads_from_a_day_on(state: SandboxState, month: Happenings) -> None:
    pages = list(state.world.search_patreon("hiking"))
    month.apply(state, month.worse_from)
    later = {creator.handle: creator for creator in state.world.search_patreon("hiking")}
    spoiled = [
        page.handle for page in pages if page.handle in later and later[page.handle].is_nsfw and not page.is_nsfw
    ]
    assert len(spoiled) / len(later) == pytest.approx(0.5, abs=0.07)
    assert month.worse_from.weekday() < 5


def test_every_happening_is_told_in_the_order_of_time(month: Happenings) -> None:
    told = list(month.every())
    assert [each.name for each in told] == ["vendor_down", "prices_double", "yield_halves"]
    assert [each.at for each in told] == sorted(each.at for each in told)


def test_a_team_has_a_search_for_every_topic_on_every_platform() -> None:
    searches = list(team_searches())
    platforms = {platform for platform, _, _ in searches}
    assert len(platforms) == 3
    assert len({(platform, name) for platform, name, _ in searches}) == len(searches) > 90
