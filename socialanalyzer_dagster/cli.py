"""`socialanalyzer ...`: exit code 0 done, 1 failed, 2 bad input; results on stdout, everything else on stderr."""

import sys
from collections.abc import Sequence

import typer
from filelock import Timeout
from sqlalchemy.exc import DatabaseError, OperationalError

from socialanalyzer_dagster.commands import batches, demo, leads, ledger, people, policies, presets, searches, system
from socialanalyzer_dagster.commands.office import AnotherWorldError
from socialanalyzer_dagster.commands.output import notes, printable
from socialanalyzer_dagster.domain.batch_keys import BadBatchKey
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.list_columns import ListRefused
from socialanalyzer_dagster.domain.policy import PolicyError
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.pipeline.approvals import ApprovalRefused
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_requests import UnknownPreset
from socialanalyzer_dagster.pipeline.batch_status import ChangedMeanwhile, StatusRefused
from socialanalyzer_dagster.pipeline.crm_setup import CrmNotReady
from socialanalyzer_dagster.pipeline.lead_view import NoSuchLead
from socialanalyzer_dagster.pipeline.limits import LimitTooFar
from socialanalyzer_dagster.pipeline.locks import BatchLocked
from socialanalyzer_dagster.pipeline.presets import NoSuchPreset
from socialanalyzer_dagster.pipeline.roster import RosterError
from socialanalyzer_dagster.platforms.registry import UnknownPlatform
from socialanalyzer_dagster.sandbox.serve import SandboxStartError
from socialanalyzer_dagster.settings import SettingsError, name_database_driver
from socialanalyzer_dagster.storage.schema import SchemaMismatch

DONE, FAILED, BAD_INPUT = 0, 1, 2
_INTERRUPTED = 130

BAD_INPUTS = (
    AnotherWorldError, ApprovalRefused, BadBatchKey, BatchRefused, ListRefused, NoSuchBatch, NoSuchLead, NoSuchPreset,
    PolicyError, RosterError, SandboxStartError, SchemaMismatch, SettingsError, StatusRefused, UnknownPlatform,
    UnknownPreset,
)  # fmt: skip
"""What a person can put right by asking differently, or by preparing the installation."""
FAILURES = (BatchLocked, CallFailed, ChangedMeanwhile, CrmNotReady, LimitTooFar, Timeout)
"""What was asked rightly and could not be done now; anything else is an error of the program."""

app = typer.Typer(
    name="socialanalyzer",
    help="Find creators, enrich and score them, and bring the good ones into the CRM at a known cost per lead.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
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
    name_database_driver()
    try:
        outcome = app(args=list(arguments), standalone_mode=False)
    except FilterProblems as error:
        return _complain([f"{problem.field}: {problem.message}" for problem in error.problems], BAD_INPUT)
    except BAD_INPUTS as error:
        return _complain(str(error).splitlines(), BAD_INPUT)
    except FAILURES as error:
        return _complain(str(error).splitlines(), FAILED)
    except DatabaseError as error:
        return _complain([_database_trouble(error)], FAILED)
    except typer.TyperException as error:
        return _complain(error.format_message().splitlines(), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _complain(["stopped"], FAILED)
    except BrokenPipeError:
        return FAILED
    if outcome == _INTERRUPTED:
        return _complain(["stopped"], FAILED)
    return outcome if isinstance(outcome, int) else DONE


def _database_trouble(error: DatabaseError) -> str:
    """What a person can do about the database; raises the error again where it is a mistake of the program."""
    if isinstance(error, OperationalError):
        return f"the database cannot be used ({type(error.orig).__name__})"
    if type(error) is DatabaseError:
        return "the database file is damaged or no database: restore its back-up, or move it away"
    raise error


def _complain(sentences: Sequence[str], code: int) -> int:
    for sentence in sentences:
        notes.print(printable(sentence), style="red", markup=False, soft_wrap=True)
    return code


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
