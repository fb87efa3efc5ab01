"""`rules questions` and `rules answer`: what rules leave to people, and what people say to it."""

import json
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import dollars, json_object
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, warn
from socialanalyzer_dagster.commands.plans import Person
from socialanalyzer_dagster.domain.money import micros_from_usd, usd_text
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.rule_questions import Otherwise, Reply, RuleAnswer, RuleQuestion
from socialanalyzer_dagster.domain.sentences import begun
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_answers import Answered
from socialanalyzer_dagster.pipeline.rule_answers import answer as take_answer
from socialanalyzer_dagster.pipeline.rule_points import KIND
from socialanalyzer_dagster.pipeline.rule_questions import open_questions


def register(app: typer.Typer) -> None:
    """Put the commands under `rules`."""
    app.command("questions")(questions)
    app.command("answer")(answer)


def questions(*, as_json: AsJson = False) -> None:
    """What waits for your answer: what, why, what it costs, what else could be done, and until when."""
    with open_office() as office:
        hours = active_policy(office.database).rules.answer_hours
        with office.database.read() as connection:
            found = open_questions(connection, KIND, hours)

    def text(console: Console) -> None:
        if not found:
            console.print("no rule asks anything")
        for each in found:
            _print_question(console, each)

    emit([each.as_json() for each in found], as_json=as_json, text=text)


def _print_question(console: Console, asked: RuleQuestion) -> None:
    lines = (
        f"question {asked.number}: {asked.what}",
        f"why: {asked.why}",
        *([] if asked.filters is None else [f"it would search: {json.dumps(asked.filters, ensure_ascii=False)}"]),
        asked.cost,
        f"Instead: {'; '.join(asked.alternatives)}.",
        f"Without an answer: {asked.without_answer}",
        "answer by one of:",
        *(f"  {command}" for command in asked.commands),
        "",
    )
    console.print("\n".join(map(printable, lines)), markup=False, soft_wrap=True)


def answer(
    number: Annotated[int, typer.Argument(metavar="ID", help="The question, as `rules questions` numbers it.")],
    reply: Annotated[Reply, typer.Argument(help="What you say to it.")],
    *,
    by: Person,
    reason: Annotated[str | None, typer.Option(help="Why; for the record with a yes.")] = None,
    max_spend: Annotated[str | None, typer.Option(metavar="USD", help="With modify: another cap.")] = None,
    max_leads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="With modify: at most so many leads past discovery.")
    ] = None,
    filters: Annotated[
        str | None, typer.Option(metavar="JSON", help="With modify: filters that differ, or @file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer what a rule asks: a yes does it, a no leaves it, and modify does it otherwise; the first answer counts."""
    otherwise = Otherwise(
        cap_micros=micros_from_usd(dollars(max_spend, "--max-spend")) if max_spend is not None else None,
        max_leads=max_leads,
        filters=json_object(filters, "filters") if filters is not None else None,
    )
    if reply is not Reply.MODIFY and otherwise != Otherwise():
        raise typer.BadParameter("--max-spend, --max-leads and --filters belong to modify")
    given = RuleAnswer(reply=reply, by=by, reason=reason, otherwise=otherwise)
    with open_office() as office:
        answered = take_answer(office.workplace(), number, given)
    if not as_json:
        warn(answered.warnings)
    emit(answered, as_json=as_json, text=lambda console: console.print(_said(answered), markup=False, soft_wrap=True))
    if answered.why is not None:
        raise typer.Exit(1)


def _said(answered: Answered) -> str:
    if answered.why is not None:
        return f"the answer is written down, but nothing was done: {answered.why}"
    if answered.batch is not None:
        return _launched(answered)
    if answered.reply is Reply.REJECT:
        return f"answered with no: {begun(answered.question)}"
    if answered.result is None:
        return "the answer is written down; rules_sensor carries it out within a minute"
    return "its failed leads are queued again"


def _launched(answered: Answered) -> str:
    told = f"batch {answered.batch} is made, estimated at {usd_text(answered.estimate_micros or 0)}"
    if answered.waits_for_confirmation:
        return f"{told}; confirm it: socialanalyzer batch confirm {answered.batch} --micros {answered.estimate_micros}"
    return f"{told}; go on with: socialanalyzer batch run {answered.batch}"
