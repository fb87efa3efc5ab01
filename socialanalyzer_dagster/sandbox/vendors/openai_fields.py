"""Answers to the fields the pipeline asks for by name, from a judgement with seeded noise."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from socialanalyzer_dagster.sandbox.store import Json
from socialanalyzer_dagster.sandbox.vendors.openai_judgement import Judgement
from socialanalyzer_dagster.sandbox.vendors.openai_keywords import keyword_ideas
from socialanalyzer_dagster.sandbox.vendors.openai_stories import retold
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import DIMENSIONS

UNKNOWN = object()
"""Returned for a field that is not known by name."""

_SCORE_NOISE = 0.015
_DOUBT_SHARE = 0.03
_QUOTE_CHARACTERS = 160
_EVENTS = ("retreat", "workshop", "group trip", "meetup", "class")
_INCOMES = ("courses", "coaching", "paid membership", "merchandise", "brand partnerships", "books")
_SIGNALS = (
    "regular calls with members",
    "replies to comments",
    "members know each other",
    "monthly challenges",
    "a private chat",
)
_SHORTEST_QUOTE = 24
_NUMBERED_LINE = re.compile(r"^[\w ]+ \d+: (\"(?:[^\"\\]|\\.)*\")$")
_OUR_LINE = re.compile(r"^(?:---|===|[a-z_ ]{2,24}: )")


@dataclass
class Asked:
    """One answer in the making: who it is about, the noise, and the schema's name."""

    judgement: Judgement
    dice: Dice
    schema_name: str

    def noisy(self, value: float, noise: float = _SCORE_NOISE) -> float:
        """A share with noise, two decimals, within 0..1."""
        return round(min(1.0, max(0.0, value + self.dice.normal(0.0, noise))), 2)

    @property
    def subjects(self) -> list[str]:
        """What this creator's items are about; those the prompt mentions come first."""
        text = self.judgement.text.lower()
        return sorted(self.judgement.niche.subjects, key=lambda subject: subject.lower() not in text)


def _dimension(asked: Asked, number: int) -> float:
    return asked.judgement.dimensions[number]


def _level(value: float, words: tuple[str, str, str]) -> str:
    return words[0] if value >= 0.62 else words[1] if value >= 0.38 else words[2]


def is_claimed(asked: Asked, path: tuple[str, ...]) -> bool:
    """Whether the evidence a block asks about is there; ``path`` ends in the name of the claim."""
    block, claim = (path[-2] if len(path) > 1 else ""), path[-1]
    niche, authenticity, money, community, engagement = asked.judgement.dimensions
    claims = {
        "in_person_events": asked.judgement.leads_trips or niche > 0.85,
        "event_evidence": asked.judgement.leads_trips or niche > 0.85,
        "event_promotion": asked.judgement.leads_trips,
        "monetization": money > 0.4,
        "community_platforms": community > 0.45,
    }
    if claim == "evidence_found":
        return claims.get(block, niche > 0.5)
    return {
        "event_promotion": asked.judgement.leads_trips,
        "asks_questions": engagement > 0.3,
        "invitational_language": engagement > 0.4,
        "facilitates_engagement": engagement > 0.45,
        "shares_personal_details": authenticity > 0.35,
        "shows_vulnerability": authenticity > 0.55,
        "shows_authenticity": authenticity > 0.4,
        "shows_pov": authenticity > 0.3,
        "niche_identified": niche > 0.3,
        "consistent_theme": niche > 0.4,
        "visible_in_content": authenticity > 0.25 and not asked.judgement.is_brand,
        "admin_identifiable": authenticity > 0.4,
    }.get(claim, False)


CLAIMS = frozenset(
    {"evidence_found", "event_promotion", "asks_questions", "invitational_language", "facilitates_engagement",
    "shares_personal_details",
     "shows_vulnerability", "shows_authenticity", "shows_pov", "niche_identified", "consistent_theme",
     "visible_in_content",
     "admin_identifiable"}
)  # fmt: skip


def field_value(asked: Asked, path: tuple[str, ...]) -> Json:
    """The value of a field known by its name, or ``UNKNOWN``."""
    name = path[-1]
    if name in CLAIMS:
        return is_claimed(asked, path)
    if name in DIMENSIONS:
        return asked.noisy(_dimension(asked, DIMENSIONS.index(name)))
    if "minor" in name:
        return asked.judgement.is_minor
    if "is_brand" in name:
        return asked.judgement.is_brand
    maker = _MAKERS.get(name)
    return UNKNOWN if maker is None else maker(asked)


def _confidence(asked: Asked) -> float:
    return round(asked.dice.spread(0.72, 0.96), 2)


def _summary(asked: Asked) -> str:
    niche = asked.judgement.niche
    first, second = asked.subjects[:2]
    tone = (
        "speaks openly about setbacks" if is_claimed(asked, ("shows_vulnerability",)) else "stays factual and friendly"
    )
    invitation = f"A {niche.trip} is offered." if asked.judgement.leads_trips else "Nothing is offered for sale."
    addressed = f"The creator {tone} and addresses people interested in {niche.label.lower()}."
    return f"The item is about {first} and touches on {second}. {addressed} {invitation}"


def _niche_description(asked: Asked) -> str:
    niche = asked.judgement.niche
    return f"{niche.label}: {', '.join(asked.subjects[:2])}"


def _reasoning(asked: Asked) -> str:
    judgement = asked.judgement
    if judgement.reject_code is not None:
        reason = judgement.reject_code.replace("_", " ")
        return f"The primary focus is {judgement.niche.label.lower()} and the profile falls under {reason}."
    return f"A person talks about {judgement.niche.label.lower()} regularly; nothing speaks against a closer look."


def _score_reasoning(asked: Asked) -> str:
    niche, authenticity, money, community, _ = asked.judgement.dimensions
    identity = _level(niche, ("a clear shared identity", "a recognisable interest", "a loose interest"))
    presence = _level(authenticity, ("is warm and very present", "is present", "is hardly visible"))
    basis = _level((money + community) / 2, ("an owned community and paid offers", "first offers", "no offers yet"))
    topic = asked.judgement.niche.label.lower()
    return f"The audience shares {identity} around {topic}. The host {presence}. There is {basis}."


def _assessment(asked: Asked) -> str:
    strength = _level(sum(asked.judgement.dimensions) / 5, ("strong", "possible", "weak"))
    return f"{_score_reasoning(asked)} Overall a {strength} candidate for a {asked.judgement.niche.trip}."


def _about(topic: str, number: int) -> Callable[[Asked], str]:
    def text(asked: Asked) -> str:
        extent = _level(_dimension(asked, number), ("strong and steady", "present at times", "hardly any"))
        return f"{topic}: {extent}, around {asked.judgement.niche.label.lower()}"

    return text


def _frequency(asked: Asked) -> str:
    if not is_claimed(asked, ("visible_in_content",)):
        return "none"
    return _level(_dimension(asked, 1), ("most", "some", "rare"))


def _quotes(asked: Asked) -> list[str]:
    """Up to two passages of the creator's own text, word for word."""
    chosen = asked.dice.some([text for line in asked.judgement.text.splitlines() for text in _own_words(line)], 2)
    return [text[:_QUOTE_CHARACTERS].strip() for text in chosen]


def _own_words(line: str) -> list[str]:
    """What of a line of the data is the creator's text: the string of a numbered line, or all of a passage's line."""
    numbered = _NUMBERED_LINE.match(line)
    if numbered is not None:
        line = json.loads(numbered.group(1)).partition("\n")[0]
    elif _OUR_LINE.match(line):
        return []
    return [line] if len(line) >= _SHORTEST_QUOTE else []


def _salutation_kind(asked: Asked) -> str:
    if asked.judgement.is_brand:
        return "brand"
    return "one" if asked.judgement.first_name else "none"


def _salutation_name(asked: Asked) -> str:
    if asked.judgement.is_brand:
        return (asked.judgement.name or "there")[:60]
    return asked.judgement.first_name or "there"


def _authenticity_score(asked: Asked) -> float:
    return asked.noisy(_dimension(asked, 1))


_MAKERS: dict[str, Callable[[Asked], Any]] = {
    "confidence": _confidence,
    "degree": _authenticity_score,
    "authenticity_score": _authenticity_score,
    "reasoning": _reasoning,
    "summary": _summary,
    "niche_theme": lambda asked: asked.judgement.niche.label,
    "content_category": lambda asked: asked.judgement.niche.label,
    "primary_category": lambda asked: asked.judgement.category,
    "niche_description": _niche_description,
    "overall_assessment": _assessment,
    "score_reasoning": _score_reasoning,
    "content_types": _about("Stories, guides and notes", 1),
    "audience_engagement": _about("Conversation with the audience", 4),
    "creator_presence": _about("The creator in person", 1),
    "monetization": _about("Offers and income", 2),
    "community_building": _about("Community building", 3),
    "audience_type": lambda asked: _level(_dimension(asked, 0), ("identity", "mixed", "interest")),
    "monetization_sophistication": lambda asked: _level(_dimension(asked, 2), ("high", "medium", "low")),
    "community_health": lambda asked: _level(_dimension(asked, 3), ("healthy", "moderate", "low")),
    "engagement_level": lambda asked: _level(_dimension(asked, 4), ("high", "medium", "low")),
    "travel_relevance": lambda asked: (
        "high" if asked.judgement.leads_trips else _level(_dimension(asked, 0) - 0.1, ("high", "medium", "low"))
    ),
    "frequency": _frequency,
    "quotes": _quotes,
    "event_types": lambda asked: asked.dice.some(_EVENTS, 2),
    "types": lambda asked: asked.dice.some(_INCOMES, 2),
    "community_signals": lambda asked: asked.dice.some(_SIGNALS, 1 + int(3 * _dimension(asked, 3))),
    "kind": _salutation_kind,
    "first_name": _salutation_name,
    "decision_confidence": _confidence,
    "suggestions": lambda asked: keyword_ideas(asked.judgement.text, asked.dice),
    "story": lambda asked: retold(asked.judgement.text, asked.dice),
}


def triage(asked: Asked, codes: list[str | None]) -> tuple[str, str | None, float]:
    """Decision, code and confidence of a triage whose schema allows these codes.

    About 3 % of the true rejects, and 2 % of the others, are rejects with little confidence.
    """
    wanted = asked.judgement.reject_code
    fitting = [code for code in codes if code is not None and wanted is not None and _is_same_code(code, wanted)]
    draw, confidence = asked.dice.unit(), round(asked.dice.spread(0.84, 0.98), 2)
    doubt = round(asked.dice.spread(0.45, 0.75), 2)
    if fitting:
        return "reject", fitting[0], doubt if draw < _DOUBT_SHARE else confidence
    others = [code for code in codes if code is not None]
    if draw > 0.98 and others and asked.judgement.uid != "text":
        return "reject", asked.dice.pick(others), doubt
    return "continue", None, confidence


def _is_same_code(left: str, right: str) -> bool:
    short_left, short_right = (code.removeprefix("topic_").removeprefix("profile_") for code in (left, right))
    return short_left == short_right
