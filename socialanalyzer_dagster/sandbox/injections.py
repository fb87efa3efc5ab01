"""Texts of creators that talk to the model that will read them, as a fault any answer can show."""

from collections.abc import Sequence
from typing import Any

from socialanalyzer_dagster.sandbox.world.texts import INJECTIONS

_TEXTS = ("introduction", "biography", "about", "description", "summary")


def with_injections(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows; the first text that a creator wrote in each also tells a model what to answer."""
    return [_injected(row, INJECTIONS[number % len(INJECTIONS)]) for number, row in enumerate(rows)]


def _injected(row: dict[str, Any], sentence: str) -> dict[str, Any]:
    name = next((name for name in _TEXTS if isinstance(row.get(name), str)), None)
    return row if name is None else {**row, name: f"{row[name]}\n{sentence}"}
