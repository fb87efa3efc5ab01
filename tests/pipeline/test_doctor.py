"""Doctor: what works, what is missing and what is broken, without spending or naming a secret (I-40)."""

import asyncio

import pytest

from socialanalyzer_dagster.domain.policy import parse_policy, shipped_policy, stored_policy
from socialanalyzer_dagster.pipeline.doctor import Health, examine
from socialanalyzer_dagster.pipeline.policies import Authorship, activate, active_policy, ensure_initial_policy
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import running_sandbox, sandbox_bill
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.connect import connect_vendors

VENDORS = ("insightiq", "apify", "apollo", "openai", "hubspot", "millionverifier")


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox(SandboxConfig(port=0)) as url:
        yield url


@pytest.fixture
def settings(tmp_path, sandbox):
    return Settings.from_environment({"SOCIALANALYZER_HOME": str(tmp_path), "SOCIALANALYZER_SANDBOX_URL": sandbox})


def examined(settings, database):
    async def work():
        vendors = connect_vendors(settings)
        try:
            return await examine(settings, database, vendors)
        finally:
            await vendors.close()

    return {finding.subject: finding for finding in asyncio.run(work())}


def test_a_fresh_home_is_healthy_but_has_things_to_do(settings, sqlite_database, clock, sandbox):
    ensure_initial_policy(sqlite_database, instant=True, now=clock.now())
    found = examined(settings, sqlite_database)
    assert {found[name].health for name in (*VENDORS, "database", "media store", "settings")} == {Health.OK}
    assert {found[name].health for name in ("crm properties", "prices", "privacy", "roster")} == {Health.WARNING}
    assert "policy" not in found
    assert "crm setup" in found["crm properties"].detail
    assert "bdr load" in found["roster"].detail
    bill = sandbox_bill(sandbox)
    assert bill is not None
    assert bill["total_micros"] == 0


def test_a_database_without_tables_is_a_problem(settings, tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    found = examined(settings, database)
    database.dispose()
    assert found["database"].health is Health.PROBLEM
    assert "db upgrade" in found["database"].detail
    assert "roster" not in found


def test_a_variable_that_nothing_reads_yet_is_named(settings, sqlite_database):
    changed = settings.model_copy(update={"variables_set": frozenset({"CONSOLE_AUTH_FILE", "LOG_LEVEL"})})
    found = examined(changed, sqlite_database)["settings"]
    assert (found.health, found.detail) == (
        Health.WARNING, "sandbox mode, 2 variables set; read by nothing yet: CONSOLE_AUTH_FILE",
    )  # fmt: skip


def test_a_vendor_that_does_not_answer_is_a_problem_and_one_without_key_is_off(settings, sqlite_database, clock):
    ensure_initial_policy(sqlite_database, instant=True, now=clock.now())
    changes = {"apify_url": "http://127.0.0.1:9", "apollo_api_key": None, "hubspot_api_key": None}
    found = examined(settings.model_copy(update=changes), sqlite_database)
    assert found["apify"].health is Health.PROBLEM
    assert found["apollo"].health is found["hubspot"].health is found["crm properties"].health is Health.OFF


def test_live_mode_lacks_the_basis_and_the_notice_plan_that_nobody_recorded(settings, sqlite_database, clock):
    ensure_initial_policy(sqlite_database, instant=True, now=clock.now())
    live = settings.model_copy(update={"environment": "live"})
    found = examined(live, sqlite_database)["privacy"]
    assert found.health is Health.PROBLEM
    assert "nobody recorded privacy.lawful_basis and privacy.notice_plan" in found.detail
    document = active_policy(sqlite_database).document()
    document["privacy"] |= {"lawful_basis": "legitimate-interest/acme-3", "notice_plan": "acme-notice-1"}
    activate(sqlite_database, parse_policy(document), Authorship(author="Ada", note="", at=clock.now()))
    assert examined(live, sqlite_database)["privacy"].health is Health.OK


def test_a_policy_stored_earlier_that_no_file_may_say_any_more_is_a_problem(settings, sqlite_database, clock):
    document = shipped_policy().document()
    document["budgets"]["provider_month_usd"] = {"open_ai": 5}
    activate(sqlite_database, stored_policy(document), Authorship(author="Ada", note="", at=clock.now()))
    found = examined(settings, sqlite_database)["policy"]
    assert found.health is Health.PROBLEM
    assert "budgets.provider_month_usd has unknown names: open_ai" in found.detail


def test_channels_that_nobody_can_be_reached_through_are_named(settings, sqlite_database, clock):
    ensure_initial_policy(sqlite_database, instant=True, now=clock.now())
    found = examined(settings, sqlite_database)["messages"]
    assert (found.health, found.detail) == (Health.OK, "go to slack; without an address: email")
    silent = settings.model_copy(update={"slack_webhook_url": None})
    found = examined(silent, sqlite_database)["messages"]
    assert (found.health, found.detail) == (
        Health.OFF, "nobody is told what happens; without an address: email, slack",
    )  # fmt: skip
