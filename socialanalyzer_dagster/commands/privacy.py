"""`privacy`: what is stored about a person, where it was found, erasing it, and telling people about it (spec 19)."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, json_text, notes, table, written_to
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.person_names import person_named
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline import notices
from socialanalyzer_dagster.pipeline.erasure import PersonRequest, erase
from socialanalyzer_dagster.pipeline.free_calls import free_calls
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.privacy_crm import PrivacyCrm
from socialanalyzer_dagster.pipeline.privacy_export import export, origin, receipt_of
from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.platforms.registry import PLATFORMS
from socialanalyzer_dagster.storage import privacy_requests
from socialanalyzer_dagster.storage.notices import NoticeEvent
from socialanalyzer_dagster.storage.privacy_requests import RequestState
from socialanalyzer_dagster.vendors.connect import connect_media_store, connect_privacy_hubspot

app = typer.Typer(help="People's data: export, erasure, origin, notices.", no_args_is_help=True)

Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="An address, profile URL, `platform:handle`, phone number or lead uid.")
]
Kind = Annotated[
    IdentifierKind | None, typer.Option("--kind", help="What PERSON is, where it could be read as several.")
]
By = Annotated[str, typer.Option("--by", help="Who does this.")]
T = TypeVar("T")
_LISTED = 100
_NOT_DONE = 1
_OWN_EYES = 0o600
"""Nobody else on the machine reads what is stored about a person."""


@app.command("export")
def export_person(
    person: Person,
    *,
    by: By,
    kind: Kind = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file and print the receipt.")] = None,
    as_json: AsJson = False,
) -> None:
    """Everything stored about a person, with where each value was found; JSON on stdout, or in the file of --out."""
    asked = PersonRequest(who=_who(person, kind), by=by, reason="export")
    document = _with_parts(lambda parts: export(parts, asked))
    receipt = document["receipt"]
    if out is None:
        typer.echo(json_text(document))
        return
    with written_to(out, "--out", mode=_OWN_EYES) as file:
        file.write(json_text(document) + "\n")
    found = counted(len(receipt["leads"]), "lead")
    sentence = f"{found}, CRM: {receipt['crm']}; receipt {receipt['request_id']}; written to {out}"
    emit(receipt, as_json=as_json, text=lambda console: console.print(sentence, markup=False))


@app.command("erase")
def erase_person(
    person: Person,
    *,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; without addresses or names, it is kept.")],
    kind: Kind = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person from every table, stored answer, media object and the CRM; only a keyed hash stays.

    For an administrator. Prints the receipt. Exit code 1 while something has to wait: run it again, or let the daily
    purge finish it.
    """
    asked = PersonRequest(who=_who(person, kind), by=by, reason=reason)
    notes.print("erasing in the database, the media store and the CRM ...")
    request = _with_parts(lambda parts: erase(parts, asked))
    receipt = receipt_of(request)
    emit(receipt, as_json=as_json, text=lambda console: _print_receipt(console, receipt))
    if request.state != RequestState.DONE:
        raise typer.Exit(_NOT_DONE)


def _print_receipt(console: Console, receipt: dict[str, Any]) -> None:
    facts = ("request_id", "state", "identifier_kind", "keyed_hash", "requested_by", "requested_at", "finished_at")
    console.print(table(("receipt", ""), [(name, receipt[name]) for name in facts]))
    counts = [(name, number) for name, number in receipt["counts"].items() if number]
    console.print("", table(("erased from", "rows"), counts))
    console.print(f"leads: {len(receipt['leads'])}; CRM: {receipt['crm']['state']}")
    console.print(receipt["sentence"], markup=False)
    if possible := receipt.get("possibly_theirs"):
        console.print(f"possibly theirs, and untouched; look, and name them by uid: {', '.join(possible)}")


@app.command("origin")
def origin_of(person: Person, *, kind: Kind = None, as_json: AsJson = False) -> None:
    """The ready answer to 'where did you find my address': source, place and time of every contact value."""
    asked = PersonRequest(who=_who(person, kind), by="", reason="origin")

    async def read(parts: PrivacyParts) -> str:
        return await asyncio.to_thread(origin, parts, asked)

    text = _with_parts(read)
    emit({"text": text}, as_json=as_json, text=lambda console: console.print(text, markup=False, soft_wrap=True))


@app.command("requests")
def list_requests(*, as_json: AsJson = False) -> None:
    """Exports and erasures with their receipts, newest first; people stand here as keyed hash and lead uids."""
    with open_office() as office, office.database.read() as connection:
        found = [receipt_of(each) for each in privacy_requests.newest_requests(connection, _LISTED)]
    rows = [
        (
            each["requested_at"],
            each["kind"],
            each["state"],
            len(each["leads"]),
            each["requested_by"],
            each["request_id"],
        )
        for each in found
    ]
    headers = ("asked", "kind", "state", "leads", "by", "request")
    emit(found, as_json=as_json, text=lambda console: console.print(table(headers, rows)))


@app.command("notices")
def list_notices(*, as_json: AsJson = False) -> None:
    """Leads whose notice is overdue, the longest waiting first."""
    with open_office() as office:
        late = notices.overdue(office.database, office.clock.now())
    rows = [(each.lead, each.since) for each in late]
    emit(late, as_json=as_json, text=lambda console: console.print(table(("lead", "due since"), rows)))


@app.command("notice")
def record_notice(
    lead: Annotated[str, typer.Argument(help="Its uid, platform:id, platform:handle or handle.")],
    *,
    by: By,
    sent: Annotated[
        bool, typer.Option("--sent/--contacted", help="A notice was sent, or a first contact was made.")
    ] = True,
    at: Annotated[datetime | None, typer.Option(help="When (UTC); default now.", formats=["%Y-%m-%d"])] = None,
    as_json: AsJson = False,
) -> None:
    """Record that a person was told where their data comes from, or was contacted for the first time."""
    with open_office() as office:
        now = office.clock.now()
        when = at.replace(tzinfo=UTC) if at is not None else now
        if when > now:
            raise typer.BadParameter("that day has not come yet", param_hint="--at")
        event = NoticeEvent(
            lead=LeadUid(""), contacted_at=None if sent else when, sent_at=when if sent else None, by=by, at=now
        )
        uid = notices.record(office.database, lead, event)
    done = "notice" if sent else "first contact"
    emit(
        {"lead": uid, "recorded": done, "at": when},
        as_json=as_json,
        text=lambda console: console.print(f"the {done} of lead {uid} is recorded", markup=False),
    )


def _who(person: str, kind: IdentifierKind | None) -> Identifier | LeadUid:
    if kind is None:
        with suppress(ValueError):
            return LeadUid(str(uuid.UUID(person.strip())))
    return person_named(person, kind=kind, platforms=PLATFORMS)


def _with_parts(work: Callable[[PrivacyParts], Awaitable[T]]) -> T:
    with open_office(needs_vendors=True) as office:

        async def opened() -> T:
            async with _parts(office) as parts:
                return await work(parts)

        return asyncio.run(opened())


@asynccontextmanager
async def _parts(office: Office) -> AsyncIterator[PrivacyParts]:
    settings, policy = office.settings, active_policy(office.database)
    client, store = connect_privacy_hubspot(settings), connect_media_store(settings)
    try:
        async with free_calls(office.database, policy, office.clock) as calls:
            yield PrivacyParts(
                workplace=office.workplace(),
                policy=policy,
                key=settings.suppression_key,
                media_store=store,
                crm=PrivacyCrm(client, policy, calls) if client is not None else None,
            )
    finally:
        await store.aclose()
        if client is not None:
            await client.aclose()
