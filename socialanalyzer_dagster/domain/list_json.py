"""Items of a JSON array, of JSON lines or of the one list in an object, read as a stream (spec 5.11)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from socialanalyzer_dagster.domain.list_columns import ListRefused
from socialanalyzer_dagster.domain.list_encodings import detect_encoding, open_text

_CHUNK_CHARS = 65_536
_MAX_ITEM_CHARS = 4_000_000
_BLANK = " \t\r\n\ufeff"
_NO_BLANK = re.compile(f"[^{_BLANK}]")


@dataclass(frozen=True, slots=True)
class BadItem:
    """What stands in the place of an item that cannot be used, with the reason."""

    reason: str


def read_json(path: Path) -> Iterator[object]:
    """The items in order; a broken line of JSON lines and an object that names a field twice come as BadItem.

    Raises ListRefused for empty and binary files and for JSON that is broken, too deep or no list; items before the
    broken place have been yielded by then.
    """
    encoding = detect_encoding(path)
    with open_text(path, encoding) as text:
        start = text.read(_CHUNK_CHARS).lstrip(_BLANK)[:1]
    if start not in {"[", "{"}:
        raise ListRefused("the file is no JSON list: it must start with [ or {")
    with open_text(path, encoding) as text:
        if start == "[":
            yield from _array_items(_Buffer(text))
        elif _has_json_lines(path, encoding):
            yield from (_item(line) for line in _lines(text))
        else:
            yield from _list_in_object(text)


def _lines(text: IO[str]) -> Iterator[str]:
    return (line for line in iter(lambda: text.readline(_MAX_ITEM_CHARS), "") if line.strip(_BLANK))


def _has_json_lines(path: Path, encoding: str) -> bool:
    """True when the first line is an object of its own, and no object that only wraps a list."""
    with open_text(path, encoding) as text:
        first = _item(next(_lines(text), ""))
    return isinstance(first, dict) and not any(isinstance(value, list) for value in first.values())


def _item(line: str) -> object:
    try:
        return json.loads(line.strip(_BLANK), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return BadItem("the line is no JSON")


def _list_in_object(text: IO[str]) -> Iterator[object]:
    """The items of the one list in an object; what else the object says is passed over."""
    source = _Buffer(text)
    source.take("{")
    names: set[object] = set()
    lists = 0
    while not source.take("}"):
        name = source.item("the file is no JSON list: a field name")
        if not isinstance(name, str) or not source.take(":"):
            raise ListRefused("the file is no JSON: a field needs a name in quotes and a colon")
        if name in names:
            raise ListRefused(f"the item names {name!r} twice")
        names.add(name)
        if source.peek("["):
            lists += 1
            if lists > 1:
                raise ListRefused("the JSON object holds 2 lists or more; the file must be one list of creators")
            yield from _array_items(source)
        else:
            source.item(f"the file is no JSON list: the field {name[:60]!r}")
        if not source.take(",") and not source.peek("}"):
            raise ListRefused(f"the file is no JSON: it is broken after the field {name[:60]!r}")
    if not lists:
        raise ListRefused("the JSON object holds no list; the file must be one list of creators")


def _array_items(source: "_Buffer") -> Iterator[object]:
    """Decode item by item, reading on while an item is incomplete."""
    source.take("[")
    number = 0
    while not source.take("]"):
        number += 1
        yield source.item(f"item {number}")
        if not source.take(",") and not source.peek("]"):
            raise ListRefused(f"the JSON is broken after item {number}")


class _Buffer:
    """The part of a JSON text that was read and not used yet."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._rest = ""
        self._at = 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_object)

    def peek(self, sign: str) -> bool:
        """True when the next character that is not blank is the sign."""
        self._pass_blank()
        while self._at == len(self._rest) and (more := self._text.read(_CHUNK_CHARS)):
            self._rest, self._at = more, 0
            self._pass_blank()
        return self._rest.startswith(sign, self._at)

    def take(self, sign: str) -> bool:
        """Use up the sign when it comes next."""
        found = self.peek(sign)
        if found:
            self._at += len(sign)
        return found

    def item(self, what: str) -> object:
        """The next value; raises ListRefused, naming it `what`, when it is broken, too deep, too long or cut off."""
        is_more = self._at < len(self._rest)
        while True:
            try:
                item, end = self._decoder.raw_decode(self._rest, self._at)
            except RecursionError as error:
                raise ListRefused(f"{what} of the JSON is too deep") from error
            except ValueError as error:
                if not is_more or len(self._rest) - self._at > _MAX_ITEM_CHARS:
                    raise ListRefused(f"{what} of the JSON is broken: {str(error)[:200]}") from error
            else:
                # a number at the very end of what was read may go on
                if end < len(self._rest) or not is_more:
                    self._at = end
                    return item
            more = self._text.read(max(_CHUNK_CHARS, len(self._rest) - self._at))
            self._rest, self._at, is_more = self._rest[self._at :] + more, 0, bool(more)

    def _pass_blank(self) -> None:
        found = _NO_BLANK.search(self._rest, self._at)
        self._at = found.start() if found else len(self._rest)


def _object(pairs: list[tuple[str, object]]) -> object:
    names = [name for name, _ in pairs]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    return BadItem(f"the item names {', '.join(map(repr, twice))} twice") if twice else dict(pairs)
