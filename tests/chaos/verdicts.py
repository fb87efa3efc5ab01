"""What must be true when everything has ended, however often the runs were killed and whatever the vendors did."""

from collections import Counter

from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline import audits, sync_audits
from socialanalyzer_dagster.pipeline.audited_batch import audited_batch
from socialanalyzer_dagster.storage.batches import TERMINAL
from tests.chaos.installation import Installation
from tests.chaos.results import Result

_AUDITS = (
    *((audits.outcomes_add_up, stage) for stage in STAGES),
    *((audits.evidence_conforms, stage) for stage in (Stage.SCREENED, Stage.ANALYZED, Stage.SCORED)),
    (audits.no_lead_twice, Stage.DISCOVERED),
    (audits.contacts_have_provenance, Stage.ENRICHED),
    (audits.scores_recompute, Stage.SCORED),
    (audits.ledger_reconciles, Stage.SCORED),
    (sync_audits.plan_rows_accounted, Stage.SYNCED),
)


def check_everything(house: Installation, result: Result) -> None:
    """Raises AssertionError with what does not hold."""
    check_outcomes(house)
    check_crm(house, result)
    check_scopes(house)
    check_bill(result)
    check_shares(house)


def check_outcomes(house: Installation) -> None:
    """Every batch has ended, every lead has exactly one outcome per stage, and the pipeline's own audits hold (2.2)."""
    statuses = house.rows("select partition_key, status from lead_batches")
    assert [row for row in statuses if row[1] not in TERMINAL] == []
    rows = house.rows("select batch_id, lead_uid, count(*) from stage_outcomes where is_current group by 1, 2")
    leads = house.rows("select batch_id, lead_uid from batch_leads")
    assert {(batch, lead): number for batch, lead, number in rows} == dict.fromkeys(leads, len(STAGES))
    items = house.rows("select item_no from found_items where result is null")
    assert items == [], "a found item without a result"
    with house.database.read() as connection:
        for key in house.keys:
            batch = audited_batch(connection, key, suppression_key=house.suppression_key)
            verdicts = [(audit.__name__, stage, audit(connection, batch, stage)) for audit, stage in _AUDITS]
            assert [(name, stage, each.sentence) for name, stage, each in verdicts if not each.holds] == []


def check_crm(house: Installation, result: Result) -> None:
    """No contact stands twice, and the CRM has exactly the leads that our outcomes say it has (I-34, I-50)."""
    contacts = house.vendors.contacts()
    uids = Counter(each["creator_uid"] for each in contacts)
    addresses = Counter(each["email"] for each in contacts if each.get("email"))
    assert [uid for uid, number in uids.items() if number > 1] == []
    assert [email for email, number in addresses.items() if number > 1] == []
    written = {row[0] for row in house.rows(
        "select lead_uid from stage_outcomes where is_current and stage = 'synced' and result = 'passed'"
    )}  # fmt: skip
    assert set(uids) == written
    linked = house.rows("select lead_uid, crm_object_id from crm_links")
    assert {lead for lead, _ in linked} >= written
    assert set(result.emails) == written


def check_scopes(house: Installation) -> None:
    """Nothing is held any more, no scope stands above its cap, and the scopes say what the attempts say (I-20)."""
    rows = house.rows("select scope, cap_micros, settled_micros, held_micros, unknown_micros from budget_scopes")
    assert [row for row in rows if row[3] or sum(row[2:]) > row[1]] == []
    [attempts] = house.rows(
        "select coalesce(sum(settled_micros), 0), "
        "coalesce(sum(case when state = 'unknown' then reserved_micros end), 0) from provider_attempts"
    )
    for kind in ("batch", "platform-day", "day", "month"):
        of_kind = [row for row in rows if row[0].split(":")[0] == kind]
        assert (sum(row[2] for row in of_kind), sum(row[4] for row in of_kind)) == tuple(map(int, attempts))


def check_bill(result: Result) -> None:
    """The vendors' bill is what we settled, and at most what we hold as unknown more, operation by operation."""
    for operation, money in result.money.items():
        more, calls = money.billed - money.settled, money.billed_calls - money.settled_calls
        assert 0 <= more <= money.unknown, f"{operation}: {money}"
        assert 0 <= calls <= money.unknown_calls, f"{operation}: {money}"


def check_shares(house: Installation) -> None:
    """Leads are dealt evenly: the counts of two people differ by at most one per epoch and tier (I-47)."""
    counts: dict[tuple[int, str], list[int]] = {}
    people = len(house.rows("select name from bdrs"))
    for epoch, tier, dealt in house.rows("select epoch, tier, dealt from bdr_counters"):
        counts.setdefault((epoch, tier), []).append(dealt)
    for dealt in counts.values():
        every = dealt + [0] * (people - len(dealt))
        assert max(every) - min(every) <= 1, counts


def check_same_leads(result: Result, expected: Result, *, touched: set[str]) -> int:
    """Every lead that no fault touched is as in the undisturbed run; returns how many were compared."""
    untouched = set(expected.leads) - touched
    assert untouched - set(result.leads) == set(), "leads are missing"
    assert set(result.leads) - set(expected.leads) - touched == set(), "leads that the undisturbed run did not find"
    for found, wanted in ((result.leads, expected.leads), (result.emails, expected.emails)):
        differing = {lead for lead in untouched if found.get(lead) != wanted.get(lead)}
        assert {lead: (found.get(lead), wanted.get(lead)) for lead in differing} == {}
    return len(untouched)


def check_same_money(result: Result, expected: Result) -> None:
    """After kills alone, what was settled is what the undisturbed run cost; only calls in flight were billed again."""
    assert {name: each.settled for name, each in result.money.items()} == {
        name: each.settled for name, each in expected.money.items()
    }
    for name, each in result.money.items():
        assert each.billed - expected.money[name].billed <= each.unknown, name
