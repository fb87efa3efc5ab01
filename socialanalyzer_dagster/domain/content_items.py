"""One published item of a creator, whatever vendor delivered it (spec 7.2)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class MediaKind(StrEnum):
    """How an item is shown: everything that is no video and no collection is an image."""

    VIDEO = "video"
    COLLECTION = "collection"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentItem:
    """One item; None is unknown. `published_at` is aware; `children` are the media URLs of a collection."""

    item_id: str
    published_at: datetime | None
    is_pinned: bool
    is_story: bool
    kind: MediaKind
    url: str | None = None
    title: str | None = None
    caption: str | None = None
    likes: int | None = None
    comments: int | None = None
    likes_hidden: bool = False
    thumbnail_url: str | None = None
    media_url: str | None = None
    children: tuple[str, ...] = ()
    duration_seconds: Decimal | None = None
