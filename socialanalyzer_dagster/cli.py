"""`socialanalyzer ...`: exit code 0 done, 1 failed, 2 bad input; results on stdout, everything else on stderr."""

import sys
from collections.abc import Callable, Sequence
from functools import cache

import typer

from socialanalyzer_dagster.commands import sandbox
from socialanalyzer_dagster.settings import load_env_file, name_database_driver

_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    name_database_driver()
    alone = list(arguments[:1]) == [sandbox.NAME]
    try:
        command = _command_of(sandbox_program() if alone else program())
        outcome = command(args=list(arguments), standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        outcome = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - ends as a sentence, or is raised again without foreign texts
        from socialanalyzer_dagster.commands.endings import ending_of
        from socialanalyzer_dagster.domain.error_texts import readable

        code = ending_of(error)
        if code is None:
            raise readable(error)  # noqa: B904 - it carries its own causes
        return code
    if outcome == _INTERRUPTED:
        sys.stderr.write("stopped\n")
        return 1
    return outcome if isinstance(outcome, int) else 0


@cache
def sandbox_program() -> typer.Typer:
    """`socialanalyzer sandbox` without the pipeline, which takes longer to load than the sandbox has to answer."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.callback()(_program_help)
    app.command(sandbox.NAME)(sandbox.sandbox)
    return app


@cache
def program() -> typer.Typer:
    """Every command."""
    from socialanalyzer_dagster.pipeline.collector import collect_rarely

    collect_rarely()
    from socialanalyzer_dagster.commands import (
        backups,
        batch_change,
        batch_logs,
        batches,
        days,
        demo,
        health,
        keywords,
        leads,
        ledger,
        metrics,
        notify,
        people,
        plans,
        policies,
        presets,
        previews,
        privacy,
        rescoring,
        rule_answers,
        rules,
        searches,
        simulating,
        system,
        workers,
    )

    app = typer.Typer(name="socialanalyzer", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.callback()(_program_help)
    app.command(sandbox.NAME)(sandbox.sandbox)
    backups.register(system.db_app)
    system.register(app)
    searches.register(app)
    app.command("demo")(demo.demo)
    app.command("simulate")(simulating.simulate)
    app.command("rescore")(rescoring.rescore)
    plans.register(batches.app)
    batch_change.register(batches.app)
    batch_logs.register(batches.app, "log")
    batch_logs.register(app, "logs")
    previews.register(policies.app)
    rule_answers.register(rules.app)
    workers.register(batches.app)
    app.add_typer(batches.app, name="batch")
    app.add_typer(days.app, name="day")
    app.add_typer(leads.app, name="leads")
    app.add_typer(health.app, name="health")
    app.add_typer(ledger.app, name="ledger")
    app.add_typer(metrics.app, name="metrics")
    app.add_typer(notify.app, name="notify")
    app.add_typer(policies.app, name="policy")
    app.add_typer(policies.prices_app, name="prices")
    app.add_typer(presets.app, name="presets")
    app.add_typer(keywords.app, name="keywords")
    app.add_typer(rules.app, name="rules")
    app.add_typer(privacy.app, name="privacy")
    app.add_typer(people.bdr_app, name="bdr")
    app.add_typer(people.suppress_app, name="suppress")
    app.add_typer(people.crm_app, name="crm")
    return app


@cache
def _command_of(app: typer.Typer) -> Callable[..., object]:
    """The parser of all its commands, made once for who runs many of them in one process."""
    return typer.main.get_command(app)


def _program_help() -> None:
    """Find creators, enrich and score them, and bring the good ones into the CRM at a known cost per lead."""


def main() -> None:
    """The console script."""
    load_env_file()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
