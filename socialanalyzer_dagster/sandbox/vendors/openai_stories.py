"""A batch's story retold: the sentences of the data as one paragraph, at times with a number that nobody gave."""

import json
import re

from socialanalyzer_dagster.sandbox.world.dice import Dice

_SENTENCE = re.compile(r"^sentence \d+: (\"(?:[^\"\\]|\\.)*\")$", re.MULTILINE)
_INVENTED_SHARE = 0.2


def retold(data: str, dice: Dice) -> str:
    """The sentences of a data block in one paragraph; the same data are always retold in the same way."""
    dice = Dice(dice.bits(), data)
    story = " ".join(["How this search went:", *(json.loads(text) for text in _SENTENCE.findall(data))])
    if dice.chance(_INVENTED_SHARE):
        return f"{story} About {dice.between(1_000, 9_999)} more may be found."
    return story
