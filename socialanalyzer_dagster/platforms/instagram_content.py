"""An Instagram creator's published items: the paid fetch, its three states, and thumbnails in our store (spec 7.2)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from socialanalyzer_dagster.domain.activity import feed_items
from socialanalyzer_dagster.domain.calls import ErrorClass
from socialanalyzer_dagster.domain.content_items import ContentItem, MediaKind
from socialanalyzer_dagster.domain.leads import Evidence, LeadRecord
from socialanalyzer_dagster.domain.outside_text import known_text
from socialanalyzer_dagster.domain.ports import CallFailed, LeadWork
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import CONTENT_ITEMS, ContentItems, StoredItem
from socialanalyzer_dagster.platforms.instagram_discovery import KEY, insightiq_of
from socialanalyzer_dagster.vendors.insightiq import ContentItem as VendorItem
from socialanalyzer_dagster.vendors.insightiq import ContentProfile, Contents, ContentState
from socialanalyzer_dagster.vendors.media_store import keeper

STEP = "contents"
THUMBNAIL_SECONDS = 5.0
_KINDS = {"VIDEO": MediaKind.VIDEO, "COLLECTION": MediaKind.COLLECTION}
_SAYS_NOTHING = frozenset({"answer_without_items", "error_in_answer"})


class ContentNotKnownError(Exception):
    """Nobody can say what the creator published; `code` is content_not_known or content_fetch_error."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A full answer: the feed without stories in vendor order, and the profile as it stands in the items."""

    feed: tuple[ContentItem, ...]
    profile: ContentProfile
    unreadable: int
    provider: str = "insightiq"

    @property
    def is_private(self) -> bool | None:
        """What the provider says about the account; None when it says nothing."""
        return self.profile.is_private


async def published(work: LeadWork, context: StageContext) -> Published:
    """Fetch, or replay within 7 days; raises ContentNotKnownError where an answer must not be taken for 'none'."""
    platform_id = str(context.policy.discovery.fixed[KEY]["work_platform_id"])
    call = insightiq_of(context).contents_fetch(profile_url=work.record.profile_url, work_platform_id=platform_id)
    try:
        answer = await context.gate.call(call, leads=[work.uid], step=STEP)
    except CallFailed as failure:
        if failure.outcome_unknown:
            raise
        error = failure.error
        unknown = error.error_class is ErrorClass.THROTTLED or error.code in _SAYS_NOTHING
        raise ContentNotKnownError("content_not_known" if unknown else "content_fetch_error", error.code) from failure
    return _published(answer.value)


def _published(contents: Contents) -> Published:
    if contents.state is ContentState.NOT_KNOWN:
        raise ContentNotKnownError("content_not_known", "unreadable_items")
    items = [content_item(item, place) for place, item in enumerate(contents.items)]
    profiles = [item.profile for item in contents.items]
    profile = next((one for one in profiles if one.platform_username), profiles[0] if profiles else ContentProfile())
    return Published(feed=tuple(feed_items(items)), profile=profile, unreadable=contents.unreadable)


def content_item(item: VendorItem, place: int) -> ContentItem:
    """One item in our words; any text may be missing."""
    return ContentItem(
        item_id=known_text(item.platform_content_id, 200) or known_text(item.url, 300) or f"item-{place}",
        published_at=item.published_at,
        is_pinned=item.is_pinned is True,
        is_story=(item.type or "").upper() == "STORY",
        kind=_KINDS.get((item.format or "").upper(), MediaKind.IMAGE),
        url=item.url,
        title=known_text(item.title),
        caption=known_text(item.description),
        likes=item.engagement.like_count,
        comments=item.engagement.comment_count,
        likes_hidden=item.likes_and_views_disabled is True,
        thumbnail_url=item.thumbnail_url,
        media_url=item.media_url,
        children=tuple(child.media_url for child in item.content_group_media if child.media_url),
        duration_seconds=_seconds(item.duration),
    )


def _seconds(value: float | None) -> Decimal | None:
    return Decimal(str(value)) if value is not None and 0 < value < float("inf") else None


def with_profile_facts(record: LeadRecord, profile: ContentProfile) -> LeadRecord:
    """The record with bio, name and followers from the profile where they were unknown (spec 7.2)."""
    learned = {
        "bio": record.bio if record.bio is not None else known_text(profile.introduction),
        "display_name": record.display_name or known_text(profile.full_name, 300),
        "audience_size": record.audience_size if record.audience_size is not None else profile.follower_count,
    }
    return record.model_copy(update=learned)


def content_evidence(lead: LeadUid, content: Published, keys: Sequence[str | None]) -> Evidence:
    """The first items as evidence; `keys` are those of their thumbnails, in order."""
    shown = zip(content.feed, keys, strict=False)
    body = ContentItems(
        items=tuple(StoredItem.of(item, key) for item, key in shown),
        received=len(content.feed),
        unreadable=content.unreadable,
    )
    return Evidence(lead=lead, kind=CONTENT_ITEMS, body=body.model_dump(mode="json"), provider=content.provider)


def stored_items(evidence: Evidence | None) -> tuple[StoredItem, ...]:
    """The items of earlier evidence; () when there is none."""
    return ContentItems.model_validate(evidence.body).items if evidence else ()


async def stored_thumbnails(lead: LeadUid, items: Sequence[ContentItem], context: StageContext) -> list[str | None]:
    """Keys of the items' thumbnails in the media store, None where one could not be had; loaded side by side."""
    return await asyncio.gather(*(stored_media(lead, item.thumbnail_url or _still(item), context) for item in items))


def _still(item: ContentItem) -> str | None:
    return item.media_url if item.kind is MediaKind.IMAGE else None


async def stored_media(
    lead: LeadUid, url: str | None, context: StageContext, *, seconds: float = THUMBNAIL_SECONDS, tries: int = 1
) -> str | None:
    """Key of one medium in the store; None when there is no address or it cannot be loaded (spec 8.7)."""
    if not url:
        return None
    call = context.vendors.pages.media(url, keep=keeper(context.vendors.media_store, lead), seconds=seconds)
    for left in reversed(range(tries)):
        try:
            answer = await context.gate.call(call, leads=[lead], step="media")
        except CallFailed as failure:
            if left and failure.error.error_class is ErrorClass.TRANSIENT:
                continue
            return None
        return answer.value.key
    return None


async def bytes_of(key: str | None, context: StageContext) -> bytes | None:
    """A stored object; None when there is no key or the object is gone."""
    return await context.vendors.media_store.get(key) if key else None
