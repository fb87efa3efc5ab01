"""One builder per prompt: which facts of a creator each question shows, cut to the policy's lengths (spec 7.3, 9.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.prompts import (
    Line,
    Numbered,
    Part,
    Passage,
    PromptData,
    PromptText,
    PromptWriter,
    cut,
    cut_all,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemText:
    """The words of one published item; `transcript` is None for pictures and where no audio could be used."""

    caption: str | None
    transcript: str | None = None
    is_video: bool = False


def data_of(record: LeadRecord, *parts: Part) -> PromptData:
    """The data block of one creator."""
    return PromptData(platform=record.platform, handle=record.handle, parts=parts)


def passage(name: str, text: str | None, max_chars: int) -> Part:
    """A longer text cut to its length, or the statement that it is not known."""
    kept = cut(text, max_chars)
    return Line(name, None) if kept is None else Passage(name, kept)


def triage_prompt(writer: PromptWriter, record: LeadRecord, *, thumbnails_shown: int) -> PromptText:
    """The question that goes with the triage picture (spec 7.3)."""
    llm = writer.policy.llm
    return writer.write(
        "triage_v1",
        data_of(
            record,
            Line("display name", record.display_name),
            Line("followers", record.audience_size),
            Line("thumbnails shown", thumbnails_shown),
            passage("bio", record.bio, llm.bio_chars),
        ),
    )


def text_triage_prompt(writer: PromptWriter, record: LeadRecord) -> PromptText:
    """The same question where there are no pictures: name, bio, title, snippet and counts (spec 7.3)."""
    llm = writer.policy.llm
    return writer.write(
        "text_triage_v1",
        data_of(
            record,
            Line("name", record.display_name),
            Line(record.audience_kind, record.audience_size),
            Line("paying", record.paid_audience_size),
            Line("posts", record.post_count),
            Line("tiers", record.tier_count),
            Line("posts per month", record.posts_per_month),
            passage("search title", record.search_title, llm.caption_chars),
            passage("search snippet", record.search_snippet, llm.caption_chars),
            passage("bio", record.bio, llm.about_chars),
        ),
    )


def content_item_prompt(writer: PromptWriter, record: LeadRecord, item: ItemText) -> PromptText:
    """S-2: one item; the picture, where there is one, is sent beside the text (spec 9.2)."""
    llm = writer.policy.llm
    kind = Line("item", "video" if item.is_video else "picture")
    parts = [kind, passage("caption", item.caption, llm.caption_chars)]
    if item.is_video:
        parts.append(passage("transcript", item.transcript, llm.transcript_chars))
    return writer.write("content_item_v1", data_of(record, *parts))


def bio_evidence_prompt(writer: PromptWriter, record: LeadRecord) -> PromptText:
    """S-3; not asked when `bio_is_observable` is false."""
    return writer.write("bio_evidence_v1", data_of(record, passage("bio", record.bio, writer.policy.llm.bio_chars)))


def bio_is_observable(writer: PromptWriter, record: LeadRecord) -> bool:
    """False for a missing bio and one too short to judge (spec 9.2)."""
    bio = cut(record.bio, writer.policy.llm.bio_chars)
    return bio is not None and len(bio) >= writer.policy.analysis.min_bio_chars


def caption_evidence_prompt(writer: PromptWriter, record: LeadRecord, captions: Sequence[str | None]) -> PromptText:
    """S-4: the captions of the first items, in order; a missing caption keeps its number."""
    shown = captions[: writer.policy.analysis.evidence_items]
    texts = cut_all(shown, writer.policy.llm.caption_chars)
    return writer.write("caption_evidence_v1", data_of(record, Numbered("caption", texts)))


def grid_evidence_prompt(writer: PromptWriter, record: LeadRecord, *, thumbnails_shown: int) -> PromptText:
    """S-5: the question that goes with the grid."""
    return writer.write("grid_evidence_v1", data_of(record, Line("posts shown", thumbnails_shown)))


def creator_profile_prompt(
    writer: PromptWriter, record: LeadRecord, *, summaries: Sequence[str], captions: Sequence[str | None]
) -> PromptText:
    """S-7: item summaries and captions."""
    llm, most = writer.policy.llm, writer.policy.analysis.evidence_items
    return writer.write(
        "creator_profile_v1",
        data_of(
            record,
            Line("display name", record.display_name),
            passage("bio", record.bio, llm.bio_chars),
            Numbered("item summary", tuple(summaries)),
            Numbered("caption", cut_all(captions[:most], llm.caption_chars)),
        ),
    )


def salutation_prompt(writer: PromptWriter, record: LeadRecord, *, content: str | None) -> PromptText:
    """S-11: handle, full name, the start of the bio and of the content (spec 9.4)."""
    llm = writer.policy.llm
    return writer.write(
        "salutation_v1",
        data_of(
            record,
            Line("full name", record.display_name),
            passage("bio", record.bio, llm.salutation_bio_chars),
            passage("content", content, llm.salutation_content_chars),
        ),
    )
