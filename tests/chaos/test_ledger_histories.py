"""300 generated histories of the ledger, half of them per engine; `make chaos` runs 10,000 (I-20, I-29, spec 22)."""

import pytest

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.storage.database import Database
from tests.chaos.happenings import EVENTS
from tests.chaos.ledger_machine import run_histories
from tests.chaos.seeds import drawn_seed

pytestmark = pytest.mark.usefixtures("every_core")

HISTORIES_PER_ENGINE = 150


def test_no_generated_history_passes_a_cap_or_loses_a_micro(database: Database, policy: Policy) -> None:
    tally = run_histories(database, policy, count=HISTORIES_PER_ENGINE, seed_number=drawn_seed())
    assert tally.histories >= HISTORIES_PER_ENGINE
    assert set(EVENTS) <= set(+tally.events), "the histories are too tame to prove anything"
