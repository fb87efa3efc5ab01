"""Facts about the vendor resources: they load with no environment, and give clients of the configured mode."""

import asyncio
from collections.abc import Iterator

import dagster as dg
import pytest

from socialanalyzer_dagster.resources.vendors import ApifyResource, VendorsResource, vendor_resources
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.settings import VARIABLES, SettingsError


@pytest.fixture
def no_environment(monkeypatch, tmp_path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sandbox(no_environment, monkeypatch) -> Iterator[SandboxServer]:
    with SandboxServer(SandboxConfig(port=0)) as server:
        monkeypatch.setenv("SOCIALANALYZER_SANDBOX_URL", server.base_url)
        yield server


@dg.asset
def vendor_answers(vendors: VendorsResource) -> list[str]:
    """What the free status calls say."""

    async def ask() -> list[str]:
        async with vendors.opened() as found:
            calls = [found.insightiq.status(), found.apify.status(), found.apollo.status(), found.llm.status()]
            calls += [found.email_verifier.credits(), found.hubspot.status()]
            await found.media_store.probe()
            return [call.decode((await call.send()).body).vendor for call in calls]

    return asyncio.run(ask())


def test_definitions_with_all_resources_load_with_no_environment(no_environment):
    definitions = dg.Definitions(assets=[vendor_answers], resources=vendor_resources())
    dg.Definitions.validate_loadable(definitions)
    expected = {"insightiq", "llm", "apify", "apollo", "email_verifier", "hubspot", "media_store", "page_fetcher"}
    assert set(vendor_resources()) == expected | {"vendors"}


def test_a_run_reaches_every_vendor_of_the_sandbox(sandbox):
    result = dg.materialize([vendor_answers], resources={"vendors": vendor_resources()["vendors"]})
    assert sorted(result.output_for_node("vendor_answers")) == [
        "apify",
        "apollo",
        "email_verifier",
        "hubspot",
        "insightiq",
        "openai",
    ]
    assert dict(sandbox.state.unknown_paths) == {}


async def test_a_vendor_without_a_key_is_none_in_live_mode(no_environment, monkeypatch):
    live = {
        "SOCIALANALYZER_ENV": "live", "DATABASE_URL": "postgres://h/d", "OPENAI_API_KEY": "k", "BDR_ROSTER_PATH": "/r",
        "SUPPRESSION_HMAC_KEY": "x" * 32, "APIFY_API_TOKEN": "t",
    }  # fmt: skip
    for name, value in live.items():
        monkeypatch.setenv(name, value)
    async with vendor_resources()["vendors"].opened() as found:
        assert [found.insightiq, found.apollo, found.email_verifier, found.hubspot] == [None] * 4
        assert found.apify is not None
        assert found.llm is not None


async def test_an_incomplete_live_environment_is_refused_before_anything_is_opened(no_environment, monkeypatch):
    monkeypatch.setenv("SOCIALANALYZER_ENV", "live")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        async with vendor_resources()["vendors"].opened():
            pass


async def test_another_base_url_can_be_configured(sandbox):
    async with ApifyResource(base_url=f"{sandbox.base_url}/apify/").opened() as apify:
        call = apify.status()
        assert call.decode((await call.send()).body).vendor == "apify"
