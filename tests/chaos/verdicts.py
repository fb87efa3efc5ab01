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


def hold(found: object, wanted: object, what: str) -> None:
    """Raises AssertionError that shows both, also where nobody rewrites assertions."""
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


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
    hold([row for row in statuses if row[1] not in TERMINAL], [], "batches that did not end")
    rows = house.rows("select batch_id, lead_uid, count(*) from stage_outcomes where is_current group by 1, 2")
    leads = house.rows("select batch_id, lead_uid from batch_leads")
    found = {(batch, lead): number for batch, lead, number in rows}
    hold(found, dict.fromkeys(leads, len(STAGES)), "outcomes per lead")
    hold(house.rows("select item_no from found_items where result is null"), [], "found items without a result")
    with house.database.read() as connection:
        for key in house.keys:
            batch = audited_batch(connection, key, suppression_key=house.suppression_key)
            verdicts = [(audit.__name__, stage, audit(connection, batch, stage)) for audit, stage in _AUDITS]
            wrong = [(name, stage, each.sentence) for name, stage, each in verdicts if not each.holds]
            hold(wrong, [], f"audits of {key}")


def check_crm(house: Installation, result: Result) -> None:
    """No contact stands twice, and the CRM has exactly the leads that our outcomes say it has (I-34, I-50)."""
    contacts = house.vendors.contacts()
    uids = Counter(each["creator_uid"] for each in contacts)
    addresses = Counter(each["email"] for each in contacts if each.get("email"))
    hold([uid for uid, number in uids.items() if number > 1], [], "creators with two contacts")
    hold([email for email, number in addresses.items() if number > 1], [], "addresses with two contacts")
    written = {row[0] for row in house.rows(
        "select lead_uid from stage_outcomes where is_current and stage = 'synced' and result = 'passed'"
    )}  # fmt: skip
    hold(set(uids), written, "contacts in the CRM")
    hold(set(result.emails), written, "addresses in the CRM")
    linked = {lead for (lead,) in house.rows("select lead_uid from crm_links")}
    hold(written - linked, set(), "written leads without a link to their contact")


def check_scopes(house: Installation) -> None:
    """Nothing is held any more, no scope stands above its cap, and the scopes say what the attempts say (I-20)."""
    rows = house.rows("select scope, cap_micros, settled_micros, held_micros, unknown_micros from budget_scopes")
    hold(
        [row for row in rows if row[3] or sum(row[2:]) > row[1]], [], "scopes that hold money or stand above their cap"
    )
    [attempts] = house.rows(
        "select coalesce(sum(settled_micros), 0), "
        "coalesce(sum(case when state = 'unknown' then reserved_micros end), 0) from provider_attempts"
    )
    for kind in ("batch", "platform-day", "day", "month"):
        of_kind = [row for row in rows if row[0].split(":")[0] == kind]
        booked = sum(row[2] for row in of_kind), sum(row[4] for row in of_kind)
        hold(booked, tuple(map(int, attempts)), f"settled and unknown money of all {kind} scopes")


def check_bill(result: Result) -> None:
    """The vendors' bill is what we settled, and at most what we hold as unknown more, operation by operation."""
    for operation, money in result.money.items():
        more, calls = money.billed - money.settled, money.billed_calls - money.settled_calls
        fits = 0 <= more <= money.unknown and 0 <= calls <= money.unknown_calls
        hold(fits, True, f"the bill of {operation}, {money}, fits the ledger")


def check_shares(house: Installation) -> None:
    """Leads are dealt evenly: the counts of two people differ by at most one per epoch and tier (I-47)."""
    counts: dict[tuple[int, str], list[int]] = {}
    people = len(house.rows("select name from bdrs"))
    for epoch, tier, dealt in house.rows("select epoch, tier, dealt from bdr_counters"):
        counts.setdefault((epoch, tier), []).append(dealt)
    for dealt in counts.values():
        every = dealt + [0] * (people - len(dealt))
        hold(max(every) - min(every) <= 1, True, f"leads are dealt evenly, {counts},")


def check_same_leads(result: Result, expected: Result, *, touched: set[str]) -> int:
    """Every lead that no fault touched is as in the undisturbed run; returns how many were compared."""
    untouched = set(expected.leads) - touched
    hold(untouched - set(result.leads), set(), "leads that are missing")
    hold(set(result.leads) - set(expected.leads) - touched, set(), "leads that the undisturbed run did not find")
    for found, wanted in ((result.leads, expected.leads), (result.emails, expected.emails)):
        differing = {lead for lead in untouched if found.get(lead) != wanted.get(lead)}
        hold({each: found.get(each) for each in differing}, {each: wanted.get(each) for each in differing}, "leads")
    return len(untouched)


def check_same_money(result: Result, expected: Result) -> None:
    """After kills alone, what was settled is what the undisturbed run cost; only calls in flight were billed again."""
    settled = [{name: each.settled for name, each in side.money.items()} for side in (result, expected)]
    hold(settled[0], settled[1], "settled money by operation")
    for name, each in result.money.items():
        is_explained = each.billed - expected.money[name].billed <= each.unknown
        hold(is_explained, True, f"calls in flight explain the bill of {name}, {each},")
