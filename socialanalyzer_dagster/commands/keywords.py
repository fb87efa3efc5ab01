"""`keywords suggest`: ideas for further keywords of a search."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.endings import FAILED
from socialanalyzer_dagster.commands.inputs import json_object
from socialanalyzer_dagster.commands.office import Office, open_office
from socialanalyzer_dagster.commands.output import AsJson, emit, notes, usd
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.keyword_ideas import (
    KeywordRequest,
    KeywordSearch,
    KeywordSuggestions,
    NoSuggestions,
    check_keyword_request,
    suggest_keywords,
)
from socialanalyzer_dagster.pipeline.session import session_parts
from socialanalyzer_dagster.vendors.connect import connect_vendors

app = typer.Typer(help="Keywords of searches.", no_args_is_help=True)


@app.callback()
def keywords_program() -> None:
    """Keywords of searches."""


@app.command("suggest")
def suggest(
    *,
    platform: Annotated[str, typer.Option(help="Platform of the search.")],
    keywords: Annotated[str | None, typer.Option(help="What is searched now, separated by commas.")] = None,
    preset: Annotated[str | None, typer.Option(help="Start from the keywords of this preset.")] = None,
    filters: Annotated[str | None, typer.Option(help="Start from the keywords in filters: JSON, or @file.")] = None,
    as_json: AsJson = False,
) -> int:
    """Ask a model for further keywords: one paid call of a fraction of a cent, nothing when it was asked before."""
    request = KeywordRequest(
        platform=platform,
        keywords=None if keywords is None else [part.strip() for part in keywords.split(",") if part.strip()],
        preset=preset,
        filters=None if filters is None else json_object(filters, "filters"),
    )
    with open_office() as office:
        search = check_keyword_request(office.workplace(), request)
    notes.print(f"asking for ideas from {counted(len(search.keywords), 'keyword')} on {search.platform.label} ...")
    with open_office(needs_vendors=True) as office:
        try:
            found = asyncio.run(_suggested(office, search))
        except NoSuggestions as failure:
            notes.print(printable(str(failure)), style="red", markup=False, soft_wrap=True)
            notes.print(f"cost: {usd(failure.cost_micros)}")
            return FAILED
    _emit(search, found, as_json=as_json)
    return 0


async def _suggested(office: Office, search: KeywordSearch) -> KeywordSuggestions:
    vendors = connect_vendors(office.settings)
    try:
        return await suggest_keywords(session_parts(office.workplace(), vendors, office.settings), search)
    finally:
        await vendors.close()


def _emit(search: KeywordSearch, found: KeywordSuggestions, *, as_json: bool) -> None:
    field = search.platform.keywords.ideas

    def text(console: Console) -> None:
        for idea in found.ideas:
            console.print(printable(idea), markup=False)
        if not found.ideas:
            console.print("no new idea: all that came are searched already")
        console.print(f"\ncost: {usd(found.cost_micros)}" + (", answered from the store" if found.from_store else ""))
        if found.ideas:
            console.print(f"to search with them, add them to {field}")

    result = {
        "platform": search.platform.key,
        "keywords": search.keywords,
        "field": field,
        "ideas": found.ideas,
        "dropped": found.dropped,
        "cost_micros": found.cost_micros,
        "from_store": found.from_store,
    }
    emit(result, as_json=as_json, text=text)
