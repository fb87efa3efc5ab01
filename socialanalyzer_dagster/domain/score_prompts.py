"""Writes the score prompt S-10 from the evidence blocks, without numbers that tell the audience's size (spec 10.1)."""

import re
from collections.abc import Iterator

from socialanalyzer_dagster.domain.category_examples import CategoryExamples
from socialanalyzer_dagster.domain.evidence_blocks import AnalyzedItem, Block, Fact, ScoringMaterial
from socialanalyzer_dagster.domain.lead_prompts import data_of, passage
from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.prompts import NOT_KNOWN, Line, Numbered, Part, PromptText, PromptWriter
from socialanalyzer_dagster.domain.types import canonical_json

NOT_OBSERVED = "not observed on this platform"
_BLOCKS = (
    "niche", "in_person_events", "community_platforms", "monetization", "authenticity_degree", "creator_visibility",
    "audience_engagement", "travel_relevance",
)  # fmt: skip
_FLAGS = ("shows_pov", "shows_authenticity", "shows_vulnerability", "facilitates_engagement", "event_promotion")
_PROFILE = ("content_category", "content_types", "audience_engagement", "creator_presence", "monetization",
            "community_building")  # fmt: skip
_NUMBER = r"\d[\d.,]{0,30}(?:\s?(?:k|m|mio|mil|million|thousand)\b)?\+?"
_PEOPLE = r"(?:followers?|subscribers?|subs|members?|patrons?|fans)\b"
_COUNT_BEFORE = re.compile(rf"\b{_NUMBER}(?=\s{{0,3}}(?:[^\W\d]{{1,20}}\s){{0,2}}{_PEOPLE})", re.IGNORECASE)
_COUNT_AFTER = re.compile(rf"\b({_PEOPLE}\s?[:=]\s?){_NUMBER}", re.IGNORECASE)


def score_prompt(writer: PromptWriter, material: ScoringMaterial, examples: CategoryExamples) -> PromptText:
    """S-10; the examples are those of the lead's category, which has none when it is unknown (spec 10.6)."""
    return writer.write(
        "lead_score_v1",
        data_of(material.record, *_parts(writer, material)),
        examples=examples.prompt_text(material.category),
    )


def without_audience_counts(text: str) -> str:
    """The text without numbers of followers, subscribers, members, patrons or fans: '12K fans' -> '[count] fans'."""
    return _COUNT_AFTER.sub(r"\1[count]", _COUNT_BEFORE.sub("[count]", text))


def _parts(writer: PromptWriter, material: ScoringMaterial) -> Iterator[Part]:
    record, llm = material.record, writer.policy.llm
    yield Line("display name", record.display_name)
    bio = None if record.bio is None else without_audience_counts(record.bio)
    yield passage("bio", bio, llm.bio_chars)
    yield Line("links", tuple(f"{kind} {url}" for kind, url in sorted(record.links.items())))
    yield Line("category", writer.policy.categories.labels[material.category])
    for name in _BLOCKS:
        yield from _block_lines(name, getattr(material.blocks, name))
    yield from _metrics_lines(material)
    yield Numbered("item", tuple(_item_text(item) for item in material.items))
    if material.profile is not None:
        for name in _PROFILE:
            yield Line(f"profile {name}", without_audience_counts(getattr(material.profile, name)))
    if material.assessment is not None:
        yield Line("overall assessment", without_audience_counts(material.assessment))


def _block_lines(name: str, block: Block) -> Iterator[Part]:
    if block is None:
        yield Line(name, NOT_OBSERVED)
        return
    for observation in block:
        facts = observation.facts
        text = "not observed" if facts is None else ", ".join(f"{key} {_fact(fact)}" for key, fact in facts.items())
        yield Line(f"{name} ({observation.source})", text)


def _fact(fact: Fact) -> str:
    if fact is None:
        return NOT_KNOWN
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, str):
        return canonical_json(one_line(without_audience_counts(fact)))
    if isinstance(fact, tuple):
        return canonical_json([one_line(without_audience_counts(entry)) for entry in fact])
    return str(fact)


def _metrics_lines(material: ScoringMaterial) -> Iterator[Part]:
    metrics = material.blocks.engagement_metrics
    if metrics is None:
        yield Line("engagement_metrics", NOT_OBSERVED)
        return
    counts = metrics.model_dump()
    yield Line("engagement_metrics", ", ".join(f"{name} {count}" for name, count in counts.items()))


def _item_text(item: AnalyzedItem) -> str:
    judgement = item.judgement
    flags = [name for name in _FLAGS if getattr(judgement, name)]
    told = f"{item.type}; theme: {judgement.niche_theme}; {judgement.summary}"
    return f"{without_audience_counts(told)} [{', '.join(flags) or 'no flags'}]"
