"""`rules`: what happens by itself between stages, what was decided, and what rules would have done."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.inputs import policy_file
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import Rule
from socialanalyzer_dagster.domain.rule_conditions import action_text, condition_text
from socialanalyzer_dagster.domain.rules import Verdict
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_points import KIND, NOTHING, rule_of
from socialanalyzer_dagster.pipeline.rule_questions import ANSWER, RULE, is_question
from socialanalyzer_dagster.pipeline.rule_replay import Replayed, replay
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.decisions import StoredDecision

app = typer.Typer(help="What happens by itself between stages.", no_args_is_help=True)
Days = Annotated[int, typer.Option(min=1, max=366, metavar="N", help="Look at the last N days.")]


@app.command("list")
def list_rules(*, as_json: AsJson = False) -> None:
    """The rules of the active policy, and what waits for its time or for a person."""
    with open_office() as office:
        policy = active_policy(office.database)
        with office.database.read() as connection:
            waiting = decisions.open_of_kind(connection, KIND)
    rules = [_described(name, rule, policy) for name, rule in sorted(policy.rules.table.items(), key=_by_number)]
    result = {"rules": rules, "waiting": [_decision(each) for each in waiting]}
    asked = sum(map(is_question, waiting))

    def text(console: Console) -> None:
        rows = [(each["rule"], ", ".join(each["after"]), each["when"], each["then"]) for each in rules]
        console.print(table(("rule", "after", "when", "then"), rows))
        for each in waiting:
            console.print(f"waiting since {each.at:%Y-%m-%d %H:%M} UTC: {each.subject}: {each.reason}", markup=False)
        if asked:
            console.print(
                f"{counted(asked, 'question waits', 'questions wait')} for you: socialanalyzer rules questions"
            )

    emit(result, as_json=as_json, text=text)


def _by_number(named: tuple[str, Rule]) -> int:
    return int(named[0].removeprefix("R-"))


def _described(name: str, rule: Rule, policy: Policy) -> dict[str, Any]:
    asks = "; then a person is asked" if rule.escalates else ""
    return {
        "rule": f"{name} {rule.title}",
        "after": [stage.value for stage in rule.after],
        "when": condition_text(rule.when, policy),
        "then": f"{action_text(rule.then.kind, rule.limit)}{asks}",
    }


def _decision(each: StoredDecision) -> dict[str, Any]:
    return {
        "id": each.id,
        "at": each.at,
        "rule": rule_of(each) if each.kind == KIND else each.parameters[RULE],
        "by": None if each.kind == KIND else each.actor,
        "subject": each.subject,
        "stage": each.stage,
        "action": each.action,
        "reason": each.reason,
        "seen": dict(each.condition),
        "parameters": dict(each.parameters),
        "result": each.result,
        "result_at": each.result_at,
        "result_detail": each.result_detail,
    }


@app.command("log")
def log(
    *,
    days: Days = 7,
    batch: Annotated[str | None, typer.Option(metavar="KEY", help="Of one batch, whenever it ran.")] = None,
    checks: Annotated[bool, typer.Option("--checks", help="Also show where there was nothing to do.")] = False,
    as_json: AsJson = False,
) -> None:
    """What rules decided and why, and what became of it."""
    with open_office() as office:
        found = [each for each in _decided(office, days, batch) if checks or each.action != NOTHING]

    def text(console: Console) -> None:
        rows = [
            (f"{each.at:%Y-%m-%d %H:%M}", each.subject, _why(each), each.action, each.result or "open")
            for each in found
        ]
        console.print(table(("UTC", "about", "why", "action", "result"), rows))
        _print_drafts(console, found)

    emit([_decision(each) for each in found], as_json=as_json, text=text)


def _print_drafts(console: Console, found: Sequence[StoredDecision]) -> None:
    """What somebody may launch or change, for decisions that leave it to them."""
    for each in found:
        suggestions = each.parameters.get("suggestions")
        if isinstance(suggestions, list) and suggestions:
            console.print(f"{each.subject}: {'; '.join(suggestions)}", markup=False, soft_wrap=True)
        if is_question(each) and each.result is None:
            told = f"{each.subject}: to answer it: socialanalyzer rules questions"
            console.print(told, markup=False, soft_wrap=True)


def _why(each: StoredDecision) -> str:
    return each.reason if each.kind == KIND else f"{each.parameters[RULE]}, answered by {each.actor}: {each.reason}"


def _decided(office: Office, days: int, batch: str | None) -> list[StoredDecision]:
    batch_id = None if batch is None else find_batch(office.workplace(), batch).batch_id
    with office.database.read() as connection:
        if batch_id is not None:
            return [each for each in decisions.of_batch(connection, batch_id) if each.kind in (KIND, ANSWER)]
        since = office.clock.now() - timedelta(days=days)
        found = [each for kind in (KIND, ANSWER) for each in decisions.of_kind(connection, kind, since=since)]
    return sorted(found, key=lambda each: each.id)


@app.command("simulate")
def simulate(
    *,
    days: Days = 7,
    policy: Annotated[Path | None, typer.Option(help="A policy file; else the active policy.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay the rules over what is stored and show what they would have done: nothing is written, it costs nothing."""
    wanted = policy_file(policy) if policy is not None else None
    with open_office() as office:
        now = office.clock.now()
        chosen = wanted or active_policy(office.database)
        found = replay(office.workplace(), chosen, since=now - timedelta(days=days), until=now)
    deeds = [each for each in found if each.verdict.is_deed]
    totals = _totals(found, chosen)
    result = {
        "days": days,
        "cost_micros": 0,
        "rules": totals,
        "deeds": [each.as_json() for each in deeds],
    }

    def text(console: Console) -> None:
        console.print(f"{len(found)} checks of the last {days} days replayed for $0.00; nothing was written")
        headers = ("rule", "checked", "would act", "would ask", "had acted before", "could not tell")
        console.print("", table(headers, [tuple(each.values()) for each in totals]))
        for each in deeds:
            changes = f" ({each.changes})" if each.changes else ""
            really = each.really or "nobody looked"
            console.print(
                f"{each.at:%Y-%m-%d %H:%M} {each.batch}: {each.sentence}{changes} Really: {really}.", markup=False
            )

    emit(result, as_json=as_json, text=text)


def _totals(found: Sequence[Replayed], policy: Policy) -> list[dict[str, Any]]:
    counts = Counter((each.rule, each.verdict) for each in found)
    checked = Counter(each.rule for each in found)
    return [
        {
            "rule": f"{name} {rule.title}",
            "checked": checked[name],
            "acts": counts[name, Verdict.ACT],
            "asks": counts[name, Verdict.ASK],
            "acted_before": counts[name, Verdict.DONE],
            "could_not_tell": counts[name, Verdict.UNKNOWN],
        }
        for name, rule in sorted(policy.rules.table.items(), key=_by_number)
    ]
