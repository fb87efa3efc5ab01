"""What a stage needs is looked at before its first paid call: keys, store, prices (I-28)."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest
from batch_world import LEAD_STAGES, PLATFORM, World, book_policy

from socialanalyzer_dagster.domain.policy import PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import Deed, find_batch, retry
from socialanalyzer_dagster.pipeline.batch_drafts import PricesUnconfirmed, PrivacyUnrecorded
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.session import SessionParts
from socialanalyzer_dagster.vendors.media_store import FolderStore, MediaStoreError


class NeedyWorld(World):
    """Its platform's stages need the model's vendor and a media store; tests take one of them away."""

    llm: object | None = SimpleNamespace()
    store: object = None

    @property
    def workplace(self):
        plain = super().workplace
        book = plain.platforms[PLATFORM]
        adapters = {
            stage: replace(adapter, providers=("openai",), keeps_media=True) if stage in LEAD_STAGES else adapter
            for stage, adapter in book.adapters.items()
        }
        return replace(plain, platforms={PLATFORM: replace(book, adapters=adapters)})

    @property
    def parts(self) -> SessionParts:
        plain = super().parts
        store = self.store or FolderStore(self.home / "media")
        return replace(plain, vendors=replace(plain.vendors, llm=self.llm, media_store=store))


class BrokenStore(FolderStore):
    """A store that takes nothing."""

    async def put(self, key, data, content_type):
        raise MediaStoreError("AccessDenied")


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return NeedyWorld(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.mark.parametrize("lacking", ["key", "store"])
async def test_a_stage_that_cannot_be_done_pauses_the_batch_before_it_spends(world, lacking):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    spent = world.vendor.sent
    world.llm, world.store = (None, None) if lacking == "key" else (world.llm, BrokenStore(world.home / "media"))
    report = (await world.run(key, Stage.SCREENED))[Stage.SCREENED]
    assert report.status == "paused"
    assert ("openai" if lacking == "key" else "AccessDenied") in report.halt
    assert world.vendor.sent == spent
    assert world.codes(Stage.SCREENED) == {}, "every lead waits"

    world.llm, world.store = SimpleNamespace(), None
    retry(world.workplace, key, Deed(by="Ada"))
    await world.run(key)
    assert find_batch(world.workplace, key).status == "scoring"
    assert world.codes(Stage.SCORED) == {"passed": 6}


def test_live_mode_makes_no_batch_at_prices_that_nobody_confirmed(world):
    live = replace(world.workplace, mode="live")
    with pytest.raises(PricesUnconfirmed, match=r"openai\.gpt-4o\.input"):
        create_batch(live, BatchRequest(platform=PLATFORM, filters={"keyword": "books"}))


def confirmed(policy, **privacy):
    """The policy with every price confirmed, and what is recorded about privacy."""
    document = book_policy(policy, privacy=policy.document()["privacy"] | privacy).document()
    for price in document["prices"].values():
        price |= {"confirmed_on": date(2026, 11, 1).isoformat(), "confirmed_by": "Ada"}
    return parse_policy(document)


@pytest.mark.parametrize("basis", ["legitimate-interest/acme-3", None])
def test_live_mode_makes_a_batch_at_confirmed_prices(sqlite_database, policy, clock, tmp_path, basis):
    recorded = confirmed(policy, lawful_basis=basis, notice_plan="acme-notice-1")
    world = NeedyWorld(sqlite_database, recorded, clock, tmp_path)
    live = replace(world.workplace, mode="live")
    assert create_batch(live, BatchRequest(platform=PLATFORM, filters={"keyword": "books"})).status == "queued"


def test_live_mode_makes_no_batch_on_a_basis_that_only_the_package_names(sqlite_database, policy, clock, tmp_path):
    world = NeedyWorld(sqlite_database, confirmed(policy, notice_plan="acme-notice-1"), clock, tmp_path)
    live = replace(world.workplace, mode="live")
    with pytest.raises(PrivacyUnrecorded, match=r"nobody recorded privacy\.lawful_basis: name your own balancing test"):
        create_batch(live, BatchRequest(platform=PLATFORM, filters={"keyword": "books"}))


@pytest.mark.parametrize("key", ["apollo.people_match", "openai.gpt-4o-mini.output", "openai.whisper-1"])
def test_a_policy_without_a_price_is_no_policy(key):
    document = shipped_policy().document()
    del document["prices"][key]
    with pytest.raises(PolicyError, match=f"prices lacks {key}"):
        parse_policy(document)
