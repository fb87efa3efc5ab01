"""`notify ...`: which channels there are, what was told and what became of it, a test message, sending once more."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, table
from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notifications import OWN_CHANNELS, DeliveryFailed, DeliveryUnknown, NoSuchChannel
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.message_view import drop, message_rows, send_again
from socialanalyzer_dagster.pipeline.news import gather
from socialanalyzer_dagster.pipeline.notifying import TEST_MESSAGE, send_due
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.storage.outbox import OutboxQuestion, OutboxState
from socialanalyzer_dagster.vendors.connect import connect_notifier

if TYPE_CHECKING:
    from socialanalyzer_dagster.vendors.notifier import Notifier

app = typer.Typer(help="What people are told, and through which channels.", no_args_is_help=True)

MessageId = Annotated[int | None, typer.Argument(metavar="ID")]
Held = Annotated[bool, typer.Option("--held", help="All that a restore held back.")]
_COLUMNS = ("id", "created", "kind", "batch", "channel", "state", "tries", "error", "title")


@app.command("channels")
def channels(*, as_json: AsJson = False) -> None:
    """Every channel: whether it has an address, and the kinds of events that the policy sends there."""
    with open_office() as office:
        known = _notifier(office).channels
        kinds = active_policy(office.database).notifications.channels
    names = sorted({*OWN_CHANNELS, *known, *(name for each in kinds.values() for name in each)})
    told = {name: [kind.value for kind in Kind if name in kinds[kind]] for name in names}
    result = [{"channel": name, "has_address": name in known, "kinds": told[name]} for name in names]

    def text(console: Console) -> None:
        rows = [(name, "yes" if name in known else "no", ", ".join(told[name]) or "nothing") for name in names]
        console.print(table(("channel", "has an address", "is told about"), rows))

    emit(result, as_json=as_json, text=text)


@app.command("list")
def listed(
    *,
    state: Annotated[OutboxState | None, typer.Option(help="Only messages in this state.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only messages of this kind.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only messages for this channel.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Messages, the newest first: `waiting`, `sending`, `held` and so on (`--state` names all)."""
    question = OutboxQuestion(limit=limit, state=state, kind=kind, channel=channel)
    with open_office() as office:
        rows = message_rows(office.database, question)

    def text(console: Console) -> None:
        console.print(table(_COLUMNS, [_cells(each) for each in rows]))

    emit(rows, as_json=as_json, text=text)


@app.command("test")
def try_channel(channel: str, *, as_json: AsJson = False) -> None:
    """Send a test message through CHANNEL now and say what its service answered; exit code 1 when it was not taken."""
    with open_office(needs_vendors=True) as office:
        try:
            _notifier(office).send(channel, TEST_MESSAGE)
        except NoSuchChannel:
            known = ", ".join(sorted(_notifier(office).channels)) or "none"
            raise typer.BadParameter(f"'{channel}' has no address; channels with one: {known}") from None
        except (DeliveryFailed, DeliveryUnknown) as error:
            emit({"channel": channel, "sent": False, "error": error.code}, as_json=as_json, text=_sentence(str(error)))
            raise typer.Exit(1) from None
    sentence = f"the test message was taken by {channel}"
    emit({"channel": channel, "sent": True, "error": None}, as_json=as_json, text=_sentence(sentence))


@app.command("send")
def send(*, as_json: AsJson = False) -> None:
    """Send what is due now, as `outbox_sensor` does every 30 seconds."""
    with open_office(needs_vendors=True) as office:
        workplace = office.workplace()
        gather(workplace)
        sentence = send_due(workplace, _notifier(office))
    emit({"sentence": sentence}, as_json=as_json, text=_sentence(sentence))


@app.command("again")
def again(
    message: MessageId = None, *, held: Held = False, by: Annotated[str, typer.Option(help="Who wants it sent.")],
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let a message be sent that was given up, is held or may have arrived: people may then see it twice."""
    with open_office() as office:
        number = send_again(office.workplace(), _chosen(message, held=held), by=by)
    told = _named(message, number, "is", "are") + " sent with the next look at the outbox"
    emit(_result(message, number, OutboxState.WAITING), as_json=as_json, text=_sentence(told))


@app.command("drop")
def dropped(
    message: MessageId = None, *, held: Held = False, by: Annotated[str, typer.Option(help="Who decides so.")],
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Never send a message that was given up, is held or may have arrived."""
    with open_office() as office:
        number = drop(office.workplace(), _chosen(message, held=held), by=by)
    told = _named(message, number, "is", "are") + " dropped"
    emit(_result(message, number, OutboxState.DROPPED), as_json=as_json, text=_sentence(told))


def _chosen(message: int | None, *, held: bool) -> int | None:
    """The message that is meant; None for all that are held."""
    if (message is None) is not held:
        raise typer.BadParameter("name the ID of one message, or --held for all that a restore held back")
    return message


def _result(message: int | None, number: int, state: OutboxState) -> dict[str, Any]:
    return {"id": message, "messages": number, "state": state}


def _named(message: int | None, number: int, one: str, many: str) -> str:
    if message is not None:
        return f"message {message} {one}"
    return f"{counted(number, 'held message')} {one if number == 1 else many}"


def _notifier(office: Office) -> "Notifier":
    return connect_notifier(office.settings)


def _sentence(sentence: str) -> Any:  # noqa: ANN401 - what `emit` calls
    return lambda console: console.print(sentence, markup=False)


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(f"{row[name]:%Y-%m-%d %H:%M}" if name == "created" else row[name] for name in _COLUMNS)
