"""`socialanalyzer ...`: exit code 0 done, 1 failed, 2 bad input; results on stdout, everything else on stderr."""

import sys
from collections.abc import Sequence

import click
import typer
from filelock import Timeout

from socialanalyzer_dagster.commands import batches, demo, leads, ledger, people, policies, presets, searches, system
from socialanalyzer_dagster.commands.office import AnotherWorldError
from socialanalyzer_dagster.commands.output import notes
from socialanalyzer_dagster.domain.batch_keys import BadBatchKey
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.list_columns import ListRefused
from socialanalyzer_dagster.domain.policy import PolicyError
from socialanalyzer_dagster.pipeline.approvals import ApprovalRefused
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_requests import UnknownPreset
from socialanalyzer_dagster.pipeline.batch_status import StatusRefused
from socialanalyzer_dagster.pipeline.locks import BatchLocked
from socialanalyzer_dagster.pipeline.roster import RosterError
from socialanalyzer_dagster.platforms.registry import UnknownPlatform
from socialanalyzer_dagster.sandbox.serve import SandboxStartError
from socialanalyzer_dagster.settings import SettingsError
from socialanalyzer_dagster.storage.schema import SchemaMismatch

DONE, FAILED, BAD_INPUT = 0, 1, 2

BAD_INPUTS = (
    AnotherWorldError, ApprovalRefused, BadBatchKey, BatchRefused, FilterProblems, ListRefused, NoSuchBatch, PolicyError,
    RosterError, SandboxStartError, SchemaMismatch, SettingsError, StatusRefused, UnknownPlatform, UnknownPreset,
)  # fmt: skip
"""What a person can put right by asking differently; everything else is a failure."""

app = typer.Typer(
    name="socialanalyzer",
    help="Find creators, enrich and score them, and bring the good ones into the CRM at a known cost per lead.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
system.register(app)
searches.register(app)
app.command("demo")(demo.demo)
app.command("rescore")(leads.rescore)
app.add_typer(batches.app, name="batch")
app.add_typer(leads.app, name="leads")
app.add_typer(ledger.app, name="ledger")
app.add_typer(policies.app, name="policy")
app.add_typer(policies.prices_app, name="prices")
app.add_typer(presets.app, name="presets")
app.add_typer(people.bdr_app, name="bdr")
app.add_typer(people.suppress_app, name="suppress")
app.add_typer(people.crm_app, name="crm")


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    try:
        outcome = app(args=list(arguments), standalone_mode=False)
    except BAD_INPUTS as error:
        return _complain(str(error), BAD_INPUT)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _complain("stopped", FAILED)
    except (BatchLocked, Timeout) as error:
        return _complain(str(error), FAILED)
    except BrokenPipeError:
        return FAILED
    return outcome if isinstance(outcome, int) else DONE


def _complain(sentence: str, code: int) -> int:
    notes.print(sentence, style="red", markup=False)
    return code


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
