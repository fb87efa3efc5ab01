"""Ideas for further keywords: words of the niches that the given keywords belong to, and of their neighbours."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.niches import NICHES, Niche
from socialanalyzer_dagster.sandbox.world.patreon import niche_fit

_PLATFORM = re.compile(r"^platform: (\w+)$", re.MULTILINE)
_KEYWORD = re.compile(r"^keyword \d+: (\"(?:[^\"\\]|\\.)*\")$", re.MULTILINE)
_IDEAS, _NEAREST, _LONGEST = 8, 3, 60
_REPEATED_SHARE = 0.4


def _phrases(niche: Niche) -> Sequence[str]:
    return (*niche.phrases, niche.label.lower())


def _group_words(niche: Niche) -> Sequence[str]:
    return (niche.label.lower(), f"{niche.group_word} meetup", f"traveling {niche.group_word}", *niche.phrases)


_WORDS: Mapping[str, Callable[[Niche], Sequence[str]]] = {
    "instagram": lambda niche: niche.hashtags,
    "patreon": _phrases,
    "facebook": _group_words,
}


def keyword_ideas(data: str, dice: Dice) -> list[str]:
    """Eight ideas for the platform and keywords of a data block; now and then one repeats a keyword, as models do."""
    dice = Dice(dice.bits(), data)
    named = _PLATFORM.search(data)
    words = _WORDS.get(named.group(1) if named else "", _phrases)
    keywords = [json.loads(text) for text in _KEYWORD.findall(data)]
    pool = dict.fromkeys(word for niche in _near(keywords, dice) for word in words(niche) if word not in keywords)
    ideas = dice.some(list(pool), _IDEAS)
    if keywords and dice.chance(_REPEATED_SHARE):
        ideas[-1] = f"#{dice.pick(keywords).upper()}"
    return [idea[:_LONGEST] for idea in ideas]


def _near(keywords: Sequence[str], dice: Dice) -> list[Niche]:
    """The niches the keywords fit best, then others, those first that share an interest with them."""
    suitable = dice.shuffled([niche for niche in NICHES if niche.reject_code is None])
    fit = {niche.key: sum(niche_fit(niche, keyword) for keyword in keywords) for niche in suitable}
    nearest = sorted((niche for niche in suitable if fit[niche.key]), key=lambda niche: -fit[niche.key])[:_NEAREST]
    interests = {interest for niche in nearest for interest in niche.interests}
    others = [niche for niche in suitable if niche not in nearest]
    return [*nearest, *sorted(others, key=lambda niche: interests.isdisjoint(niche.interests))[:_NEAREST]]
