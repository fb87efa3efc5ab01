"""Plain sentences about a batch, from counters alone (spec 14.1, 14.2)."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from socialanalyzer_dagster.domain.batch_alarms import batch_alarms
from socialanalyzer_dagster.domain.batch_facts import BatchFacts, ReachedCap
from socialanalyzer_dagster.domain.outcomes import FAILED, REJECTED, SKIPPED, ItemResult
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.reason_texts import REASONS, REMEDIES
from socialanalyzer_dagster.domain.sentences import joined, percent, reasons
from socialanalyzer_dagster.domain.summary import batch_summary
from socialanalyzer_dagster.domain.types import BatchKey, Stage


@dataclass(frozen=True, kw_only=True)
class Counts:
    entered: int
    passed: int
    rejected: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    passed_codes: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        return self.entered - self.passed - self.rejected - self.failed - self.skipped


STAGES = {
    Stage.DISCOVERED: Counts(entered=120, passed=100, rejected=20, reasons={"known_recent": 15, "already_in_crm": 5}),
    Stage.SCREENED: Counts(
        entered=100, passed=80, rejected=18, failed=2,
        reasons={"inactive": 10, "topic_golf": 4, "profile_meme_aggregator": 2, "nsfw": 1, "posting_gap": 1,
                 "content_not_known": 2},
    ),
    Stage.ENRICHED: Counts(entered=80, passed=70, rejected=10, reasons={"no_email": 7, "email_invalid": 3}),
    Stage.ANALYZED: Counts(entered=70, passed=69, failed=1, reasons={"llm_refused": 1}),
    Stage.SCORED: Counts(entered=69, passed=60, rejected=9, reasons={"below_min_score": 9}),
    Stage.SYNCED: Counts(
        entered=60, passed=57, rejected=1, skipped=2, reasons={"held_email_unverified": 2, "crm_refused": 1},
        passed_codes={"created": 50, "updated": 4, "unchanged": 3},
    ),
}  # fmt: skip


TOLD = """\
The search found 120 profiles, 100 of them new; already known: judged recently 15, already a contact in the CRM 5. \
Results that are no leads: found twice 3, without a usable profile address 1. \
80 of 100 leads passed screening (yield 80 %); main reasons against: no recent post 10, mainly golf 4, a meme page 2, \
adult content 1, other reasons 1. \
70 of 80 leads were enriched, 7 left out without an e-mail address; other reasons against: e-mail address does not \
exist 3. \
69 of 70 leads were analyzed. \
60 of 69 leads scored high enough (12 auto_enroll and 48 standard_review); left out: score below the minimum 9. \
CRM: 50 created, 4 updated, 3 unchanged. Held back: e-mail address not verified yet 2. \
Not written: refused by the CRM 1. That is 48 % of everything found. \
Cost: $14.25 against an estimate of $16.53 and a cap of $100.00."""


def facts(**changes) -> BatchFacts:
    known = {
        "key": BatchKey("2026-11-20.instagram.walks"),
        "platform_label": "Instagram",
        "status": "completed",
        "items": {"lead": 120, "duplicate_in_batch": 3, "no_identity": 1},
        "stages": STAGES,
        "tiers": {"auto_enroll": 12, "standard_review": 48},
        "plan": {"create": 50},
        "spend_micros": 14_250_000,
        "held_micros": 0,
        "unknown_micros": 0,
        "unknown_attempts": 0,
        "reused_micros": 0,
        "estimate_micros": 16_525_000,
        "cap_micros": 100_000_000,
        "capped": False,
    }
    return BatchFacts(**{**known, **changes})


def healthy(**changes) -> BatchFacts:
    """Nobody is held back."""
    return facts(**{"stages": {**STAGES, Stage.SYNCED: Counts(entered=60, passed=60)}, **changes})


def test_a_completed_batch_is_told_from_found_to_cost(policy: Policy) -> None:
    assert " ".join(batch_summary(facts(), policy).sentences) == TOLD


def test_failures_say_their_cause_and_what_to_do(policy: Policy) -> None:
    failures = batch_summary(facts(), policy).failures
    assert failures[0].startswith("2 leads failed at screened: posts could not be read at this time. What to do: wait")
    assert failures[1].startswith("1 lead failed at analyzed: the model declined to judge.")
    assert failures[2].startswith("2 leads not done at synced: e-mail address not verified yet.")


def test_a_healthy_batch_has_no_warnings(policy: Policy) -> None:
    assert batch_alarms(healthy(), policy) == ()


def test_nothing_found_gives_advice_and_no_invented_numbers(policy: Policy) -> None:
    empty = facts(status="completed_empty", stages={Stage.DISCOVERED: Counts(entered=0, passed=0)}, items={}, tiers={})
    sentences = batch_summary(empty, policy).sentences
    assert sentences[0].startswith("No leads were found. Check the filters")
    assert "`socialanalyzer keywords suggest`" in sentences[0]
    assert len(sentences) == 2


def test_a_batch_that_has_not_searched_does_not_say_that_there_is_nobody(policy: Policy) -> None:
    waiting = facts(status="awaiting_approval", stages={}, items={}, tiers={}, is_searched=False)
    assert batch_summary(waiting, policy).sentences[0] == (
        "The search has not been made to its end, so nobody knows what it finds."
    )


def test_a_failed_batch_says_how_far_it_got_why_and_how_to_resume(policy: Policy) -> None:
    stages = {**STAGES, Stage.ANALYZED: Counts(entered=70, passed=30)}
    del stages[Stage.SCORED], stages[Stage.SYNCED]
    failed = facts(status="failed", stages=stages, stage_reached=Stage.ANALYZED, cause="the database was gone.")
    sentences = batch_summary(failed, policy).sentences
    assert sentences[:3] == (
        "It got as far as analyzed: 30 of 70 leads done.",
        "Cause: the database was gone.",
        "To resume, materialize from analyzed again; what was paid for is not paid again.",
    )
    assert not any("scored" in sentence for sentence in sentences)


def test_a_stage_whose_leads_all_wait_is_not_told_as_one_that_found_none_good(policy: Policy) -> None:
    waiting = STAGES | {
        Stage.ANALYZED: Counts(entered=70, passed=16),
        Stage.SCORED: Counts(entered=16, passed=0),
        Stage.SYNCED: Counts(entered=0, passed=0),
    }
    text = batch_summary(facts(status="paused", stages=waiting, tiers={}), policy).text()
    assert "16 of 70 leads were analyzed." in text
    assert "scored high enough" not in text


def test_a_plan_that_waits_is_told_as_such(policy: Policy) -> None:
    waiting = facts(
        status="awaiting_approval",
        plan={"create": 55, "held": 5},
        stages={**STAGES, Stage.SYNCED: Counts(entered=60, passed=0)},
    )
    sentences = batch_summary(waiting, policy).sentences
    assert "The plan waits for approval: 55 create, 5 held." in sentences
    assert not any(sentence.startswith("CRM:") for sentence in sentences)


def test_a_reached_cap_is_one_plain_sentence(policy: Policy) -> None:
    stages = {**STAGES, Stage.ANALYZED: Counts(entered=70, passed=30, skipped=40, reasons={"budget_stopped": 40})}
    capped = facts(capped=True, cap_micros=1_000_000, stages=stages, spend_micros=990_000)
    told = [line for line in batch_summary(capped, policy).text().splitlines() if "spending cap" in line]
    assert told == [
        (
            "The spending cap of $1.00 was reached: 40 leads could not be processed; raise the cap, and run the batch "
            "again to do exactly those."
        )
    ]


def test_the_cap_that_was_reached_is_the_one_that_is_named(policy: Policy) -> None:
    stages = {**STAGES, Stage.ANALYZED: Counts(entered=70, passed=30, skipped=40, reasons={"budget_stopped": 40})}
    reached = ReachedCap(kind="platform-day", cap_micros=3_000_000)
    told = batch_alarms(facts(capped=True, stages=stages, reached_cap=reached), policy)
    assert told[0] == (
        "The spending cap per platform day of $3.00 was reached: 40 leads could not be processed; wait until the next "
        "day begins (UTC) or let the policy allow more, and run the batch again to do exactly those."
    )


def test_a_search_that_no_cap_had_room_for_is_not_told_as_one_that_found_nobody(policy: Policy) -> None:
    cause = "The search was not bought, because it may cost $2.00 and the day cap of $1.00 has no room for it."
    unbought = facts(
        status="completed", capped=True, cause=cause, stages={Stage.DISCOVERED: Counts(entered=0, passed=0)}
    )
    text = batch_summary(unbought, policy).text()
    assert cause in text
    assert "0 leads" not in text
    assert "Check the filters" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": {Stage.SCREENED: Counts(entered=100, passed=29, rejected=71)}}, "Only 29 % of the leads passed"),
        ({"spend_micros": 20_000_000}, "It cost $20.00, more than the estimate of $16.53."),
        ({"status": "stopped"}, "The batch was stopped early"),
        ({"unknown_attempts": 1, "unknown_micros": 40_000}, "1 paid call got no answer; $0.04 stay reserved"),
        ({"unknown_attempts": 1, "unknown_micros": 300}, "1 paid call got no answer; under $0.01 stay reserved"),
        ({"unknown_attempts": 2, "unknown_micros": 80_000}, "2 paid calls got no answer"),
        ({"tiers": {"standard_review": 60}}, "No lead reached the tier auto_enroll."),
        ({"reasks": (6, 100)}, "The model had to be asked again for 6 % of its answers."),
        ({"cap_micros": 17_812_500}, "80 % of the spending cap of $17.81 are used."),
        ({"newness": (19, 100)}, "Only 19 % of what the search found was new; it is used up."),
        (
            {"newness": (0, 9), "variations": ("a", "b")},
            "Only 0 % of what the search found was new; it is used up. Try instead: a; b.",
        ),
        (
            {"stages": {**STAGES, Stage.ENRICHED: Counts(entered=80, passed=63, rejected=17)}},
            "Only 79 % of the leads that passed screening were enriched.",
        ),
        ({}, "Held back from the CRM: 2 leads."),
        (
            {"status": "awaiting_approval", "plan": {"create": 2, "held": 1}, "stages": {}},
            "Held back from the CRM: 1 lead.",
        ),
        ({"search_cut_short": "timed_out"}, "The search ended early at the provider (timed out)"),
        ({"search_share": Decimal("0.5")}, "The search ended early with about 50 % of what it was to bring: its"),
    ],
)
def test_a_warning_is_given_when_it_applies(policy: Policy, changes: dict[str, object], words: str) -> None:
    assert [line for line in batch_alarms(facts(**changes), policy) if line.startswith(words)]


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": {Stage.SCREENED: Counts(entered=100, passed=30, rejected=70)}},
        {"stages": {Stage.SCREENED: Counts(entered=100, passed=3)}},
        {"stages": {Stage.SCREENED: Counts(entered=0, passed=0)}},
        {"newness": (20, 100)},
        {"newness": (0, 0)},
        {
            "stages": {
                Stage.SCREENED: Counts(entered=80, passed=80),
                Stage.ENRICHED: Counts(entered=80, passed=64, rejected=16),
            }
        },
        {"spend_micros": 19_830_000},
        {"estimate_micros": None, "spend_micros": 79_999_999},
        {"reasks": (5, 100)},
        {"reasks": (0, 0)},
        {"reasks": None},
    ],
)
def test_a_warning_is_not_given_at_its_bound_or_without_numbers(policy: Policy, changes: dict[str, object]) -> None:
    assert batch_alarms(healthy(**changes), policy) == ()


def test_warnings_that_others_found_stand_beside_its_own(policy: Policy) -> None:
    summary = batch_summary(facts(), policy, further_warnings=("The yield is 40 % below the baseline.",))
    assert summary.warnings == ("Held back from the CRM: 2 leads.", "The yield is 40 % below the baseline.")
    assert summary.text().index("40 % below") > summary.text().index("Held back from the")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "next: do what is said of the leads that are left, then socialanalyzer batch retry {key}"),
        ({"stages": {}}, "next: nothing, every lead is done"),
        ({"stages": {}, "capped": True}, "next: do what is said"),
        ({"status": "completed_empty", "stages": {}}, "next: change the filters and search again"),
        ({"status": "analyzing"}, "next: nothing, it runs"),
        ({"status": "awaiting_approval"}, "next: socialanalyzer batch plan {key}, then: socialanalyzer batch approve"),
        ({"status": "awaiting_confirmation"}, "next: socialanalyzer batch confirm {key} --micros 16525000"),
        ({"status": "failed"}, "next: put the cause right, then socialanalyzer batch retry {key}"),
        ({"status": "paused", "waits_for_release": True}, "next: socialanalyzer batch release {key}, or: "),
    ],
)
def test_the_last_line_says_what_to_do(policy: Policy, changes: dict[str, object], told: str) -> None:
    batch = facts(**changes)
    last = batch_summary(batch, policy).text().splitlines()[-1]
    assert last.startswith(told.format(key=batch.key))


def test_a_model_tells_the_story_alone_and_ours_stays_at_hand(policy: Policy) -> None:
    summary = batch_summary(facts(), policy)
    polished = replace(summary, polished="All in all a good day.")
    assert polished.sentences == ("All in all a good day.", summary.cost)
    assert polished.text().splitlines()[3:] == summary.text().splitlines()[len(summary.story) + 2 :]
    assert polished.plain == summary


def test_every_reason_code_has_plain_words() -> None:
    codes = {code for table in (REJECTED, FAILED, SKIPPED) for listed in table.values() for code in listed}
    assert codes | set(ItemResult) == set(REASONS)


def test_every_failure_says_what_to_do() -> None:
    assert {code for listed in FAILED.values() for code in listed} <= set(REMEDIES)


def test_markdown_has_headings_only_where_there_is_something(policy: Policy) -> None:
    text = batch_summary(healthy(), policy).markdown()
    assert text.startswith("## Instagram batch 2026-11-20.instagram.walks: completed\n\nThe search found")
    assert "### Failures" in text
    assert "### Warnings" not in text


@pytest.mark.parametrize(
    ("part", "text"),
    [("0", "0 %"), ("0.001", "less than 1 %"), ("0.475", "48 %"), ("0.999", "more than 99 %"), ("1", "100 %")],
)
def test_percentages_never_claim_none_or_all(part: str, text: str) -> None:
    assert percent(Decimal(part)) == text


def test_lists_read_like_sentences() -> None:
    assert joined([]) == ""
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert reasons({"inactive": 1200}) == "no recent post 1,200"
