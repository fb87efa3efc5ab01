"""Invented names: disjoint word lists per platform, and the parser that finds the words in a handle or domain."""

import re
from collections.abc import Iterator, Sequence

FIRST_NAMES = (
    "maya", "nadia", "elena", "priya", "zoe", "clara", "ines", "talia", "freya", "noor", "lucia", "hana", "amara",
    "greta",
    "selma", "odette", "rosa", "mina", "petra", "ada", "leila", "joanna", "bianca", "carmen", "dahlia", "esther",
    "fatima",
    "gwen", "helena", "iris", "juno", "keira", "owen", "mateo", "felix", "hugo", "jonas", "kai", "leon", "marcus",
    "nico",
    "oscar", "pablo", "quentin", "rafael", "samir", "tobias", "umar", "victor", "wesley", "xavier", "yusuf", "anton",
    "bruno", "cedric", "dario", "elias", "gideon", "henrik", "ivan", "jasper", "kofi", "luca", "milo",
)  # fmt: skip
ADJECTIVES = (
    "wild", "quiet", "amber", "silver", "hollow", "bright", "copper", "misty", "velvet", "sunny", "golden", "frost",
    "cedar",
    "marble", "crimson", "ivory", "indigo", "olive", "rustic", "sable", "tidal", "umber", "vivid", "willow", "azure",
    "birch", "coral", "dusky", "ember", "fern", "gentle", "hazel", "iron", "jade", "keen", "lunar", "mellow", "noble",
    "opal", "prairie",
)  # fmt: skip
INSTAGRAM_NOUNS = (
    "brook", "meadow", "ridge", "hart", "wick", "stone", "field", "grove", "lark", "moor", "vale", "wren", "shore",
    "dell",
    "ford", "glen", "haven", "isle", "knoll", "leaf", "marsh", "nook", "orchard", "peak", "quarry", "reed", "slate",
    "thorn", "well", "yard", "arbor", "bay", "cliff", "dune", "fjord", "gate", "hollow", "bloom", "kestrel", "loch",
)  # fmt: skip
PATREON_NOUNS = (
    "harbor", "lantern", "anvil", "beacon", "compass", "drum", "easel", "flint", "garnet", "hammer", "inkwell",
    "kettle",
    "loom", "mirror", "needle", "oboe", "pepper", "quill", "rocket", "saddle", "tin", "urn", "violin", "wagon", "acorn",
    "badger", "cinder", "dragon", "eagle", "falcon", "goblet", "heron", "ibex", "juniper", "koala", "lemon", "magpie",
    "nutmeg", "otter", "parrot",
)  # fmt: skip
PATREON_CRAFTS = (
    "studio", "makes", "podcast", "atelier", "press", "workshop", "collective", "theatre", "kitchen", "garage",
    "academy",
    "journal", "radio", "films", "library", "lab", "sessions", "stories", "guild", "archive", "circle", "almanac",
    "show",
    "notebook",
)  # fmt: skip
GROUP_NOUNS = (
    "collective", "community", "club", "circle", "crew", "network", "society", "friends", "meetup", "tribe", "alliance",
    "gathering",
)  # fmt: skip
ORGANISER_NOUNS = (
    "ashby", "berwick", "calder", "denholm", "elmsley", "farrow", "galton", "hadley", "ingram", "jarrow", "kelso",
    "linton",
    "marlow", "norwood", "oakham", "penrith", "quorn", "radley", "selby", "thirsk",
)  # fmt: skip
LAST_NAME_ENDINGS = {"instagram": INSTAGRAM_NOUNS, "patreon": PATREON_NOUNS, "facebook": ORGANISER_NOUNS}
_NOT_A_LETTER = re.compile(r"[^a-z]+")


def letters(text: str) -> str:
    """Only the letters a to z of a text, lower-cased: the form in which all names are compared."""
    return _NOT_A_LETTER.sub("", text.lower())


class WordParser:
    """Finds the ways to read a run of letters as one word of each list, in list order."""

    def __init__(self, *lists: Sequence[str]) -> None:
        self._positions = [{word: position for position, word in enumerate(words)} for words in lists]
        self._lengths = [sorted({len(word) for word in words}) for words in lists]

    def readings(self, text: str) -> Iterator[tuple[int, ...]]:
        """Every reading as the positions of its words; the whole text must be used up."""
        yield from self._readings(text, 0)

    def _readings(self, text: str, level: int) -> Iterator[tuple[int, ...]]:
        if level == len(self._positions):
            if not text:
                yield ()
            return
        for length in self._lengths[level]:
            position = self._positions[level].get(text[:length])
            if position is not None:
                for rest in self._readings(text[length:], level + 1):
                    yield (position, *rest)


class Numbering:
    """A one-to-one map between indexes 0..count-1 and word combinations, shuffled by the seed."""

    def __init__(self, count: int, sizes: tuple[int, ...], seed: int) -> None:
        self._count = count
        self._sizes = sizes
        self._total = 1
        for size in sizes:
            self._total *= size
        self._factor = _coprime(self._total, 1_000_003 + 2 * (seed % 9_973))
        self._inverse = pow(self._factor, -1, self._total)
        self._shift = (seed * 7_919 + 104_729) % self._total

    def words_of(self, index: int) -> tuple[int, ...]:
        """The word positions of an index."""
        number = (index * self._factor + self._shift) % self._total
        found = []
        for size in self._sizes:
            number, position = divmod(number, size)
            found.append(position)
        return tuple(found)

    def index_of(self, words: tuple[int, ...]) -> int | None:
        """The index of word positions, or None when no creator has that combination."""
        number = 0
        for size, position in zip(reversed(self._sizes), reversed(words), strict=True):
            number = number * size + position
        index = (number - self._shift) * self._inverse % self._total
        return index if index < self._count else None


def _coprime(total: int, start: int) -> int:
    candidate = start
    while _gcd(candidate, total) != 1:
        candidate += 1
    return candidate


def _gcd(left: int, right: int) -> int:
    while right:
        left, right = right, left % right
    return left
