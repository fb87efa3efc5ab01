"""What the people of a simulated team do, by the public path: confirm, approve, answer rules, take over new prices."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notification_prices import PriceChanged
from socialanalyzer_dagster.domain.price_drift import BilledPrice
from socialanalyzer_dagster.domain.rule_questions import Reply, RuleAnswer, RuleQuestion
from socialanalyzer_dagster.pipeline import approvals, batch_actions, rule_answers
from socialanalyzer_dagster.pipeline.batch_actions import Deed
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, StatusRefused
from socialanalyzer_dagster.pipeline.gate_answers import DEMO_APPROVER, ApprovalRefused
from socialanalyzer_dagster.pipeline.policies import PriceConfirmation, active_policy, confirm_price
from socialanalyzer_dagster.pipeline.rule_points import KIND
from socialanalyzer_dagster.pipeline.rule_questions import open_questions
from socialanalyzer_dagster.pipeline.search_plans import look_ahead
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, outbox
from socialanalyzer_dagster.storage.daily_figures import DayOf

_READS_BACK = timedelta(days=2)
"""How old a message may be that somebody still acts on."""
_NOT_NOW = (ApprovalRefused, StatusRefused, BatchRefused, FilterProblems)
"""What stands against a yes: the question is left, and expires."""
_COVERED = "the day's target is covered"


@dataclass(slots=True)
class Team:
    """Counts what its people were asked for."""

    confirmed: int = 0
    approved: int = 0
    answered: int = 0
    prices: int = 0

    def work(self, workplace: Workplace) -> bool:
        """Decide about everything that waits; True when anything did."""
        before = asdict(self)
        deed = Deed(by=DEMO_APPROVER)
        for batch in _waiting(workplace, BatchStatus.AWAITING_CONFIRMATION):
            key = batch.partition_key
            batch_actions.confirm(workplace, key, deed, estimate_micros=batch.estimate_micros)
            self.confirmed += 1
        for batch in _waiting(workplace, BatchStatus.AWAITING_APPROVAL):
            approvals.approve(workplace, batch.partition_key, by=DEMO_APPROVER)
            self.approved += 1
        self.answered += sum(_answers(workplace, question) for question in _questions(workplace))
        for price in _told_prices(workplace):
            confirmed = PriceConfirmation(key=price.key, usd=price.billed_usd, by=DEMO_APPROVER)
            confirm_price(workplace.database, confirmed, workplace.clock.now())
            self.prices += 1
        return asdict(self) != before


def _waiting(workplace: Workplace, status: BatchStatus) -> list[batches.Batch]:
    with workplace.database.read() as connection:
        return batches.batches_with_status(connection, [status])


def _questions(workplace: Workplace) -> list[RuleQuestion]:
    hours = active_policy(workplace.database).rules.answer_hours
    with workplace.database.read() as connection:
        return open_questions(connection, KIND, hours)


def _answers(workplace: Workplace, question: RuleQuestion) -> bool:
    """Yes, but to a further search only while the day is short of its target; whether the answer was taken."""
    is_wanted = not question.proposal.is_search or _is_short(workplace, question)
    reply, why = (Reply.APPROVE, None) if is_wanted else (Reply.REJECT, _COVERED)
    try:
        rule_answers.answer(workplace, question.number, RuleAnswer(reply=reply, by=DEMO_APPROVER, reason=why))
    except _NOT_NOW:
        return False
    return True


def _is_short(workplace: Workplace, question: RuleQuestion) -> bool:
    batch = batch_actions.find_batch(workplace, question.batch_key)
    today = DayOf(day=workplace.clock.now().date(), platform=batch.platform)
    return look_ahead(workplace, today, only_if_missing=True).facts.missing > 0


def _told_prices(workplace: Workplace) -> Iterator[BilledPrice]:
    """Prices that messages say are others, while the table still says what the message found there."""
    since = workplace.clock.now() - _READS_BACK
    with workplace.database.read() as connection:
        told = outbox.facts_of(connection, [Kind.PRICE_CHANGED], since)
    for facts in told:
        table = active_policy(workplace.database).prices
        for price in PriceChanged.of_facts(facts, None).prices:
            if table[price.key].usd == price.table_usd != price.billed_usd:
                yield price
