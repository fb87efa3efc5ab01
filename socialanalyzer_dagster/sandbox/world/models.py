"""What the world is made of: creators of three platforms, their posts, pages, people and hidden truths."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Platform = Literal["instagram", "patreon", "facebook"]
MailboxStatus = Literal["ok", "catch_all", "unknown", "invalid", "disposable"]
DIMENSIONS = (
    "niche_and_audience_identity",
    "creator_authenticity_and_presence",
    "monetization_and_business_mindset",
    "community_infrastructure",
    "engagement_and_connection",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a creator lives; ``country_code`` is ISO 3166 alpha-2 in capitals."""

    city: str
    state: str | None
    country: str
    country_code: str


@dataclass(frozen=True, slots=True)
class Contact:
    """What the world knows of a creator's reachability; None means there is no such thing.

    ``email`` is the best address, ``listed_email`` the one a discovery provider knows (None = it knows none).
    ``owner_email`` is the address that paid lookups give (Apollo, leads finder). ``domain`` is the registered domain of
    the own website (without ``www.``), which exists even when the profile does not link to it.
    """

    first_name: str
    last_name: str
    email: str | None
    listed_email: str | None
    owner_email: str | None
    phone: str | None
    title: str
    linkedin_url: str | None
    domain: str | None


@dataclass(frozen=True, slots=True)
class Truth:
    """The hidden truth that model answers and simulated judges read; never shown in any vendor's data.

    ``dimensions`` are 0..1 in the order of ``DIMENSIONS``. ``reject_code`` is a triage code (``topic_*`` or
    ``profile_*``) or None. ``category`` is one of the ten category keys or ``unknown``.
    """

    dimensions: tuple[float, float, float, float, float]
    category: str
    niche: str
    language: str
    reject_code: str | None
    is_minor: bool
    is_brand: bool
    is_injecting: bool
    mailbox: MailboxStatus | None
    apollo_knows: bool
    leads_finder_knows: bool
    leads_trips: bool
    activity: Literal["active", "inactive", "gap", "empty", "pinned_only"]


@dataclass(frozen=True, slots=True)
class Engagement:
    """Counts of one post; None = hidden or not applicable."""

    likes: int | None
    comments: int | None
    views: int | None
    shares: int | None


@dataclass(frozen=True, slots=True)
class Post:
    """One Instagram item. ``kind`` FEED, REELS or STORY; ``format`` IMAGE, VIDEO or COLLECTION.

    ``code`` is the short code in the URL and part of the media names (see ``media_path``); ``children`` is the number
    of pictures of a carousel. ``duration_seconds`` is given for videos only.
    """

    id: str
    code: str
    handle: str
    kind: Literal["FEED", "REELS", "STORY"]
    format: Literal["IMAGE", "VIDEO", "COLLECTION"]
    url: str
    title: str | None
    caption: str | None
    published_at: datetime
    duration_seconds: float | None
    engagement: Engagement
    is_pinned: bool
    hides_counts: bool
    hashtags: tuple[str, ...]
    children: int

    def media_path(self, child: int = 0) -> str:
        """Path of the media file below the sandbox's root, to be signed by ``media.signed_url``."""
        suffix = "mp4" if self.format == "VIDEO" else "jpg"
        return f"/media/instagram/{self.handle}/{self.code}/{child}.{suffix}"

    def thumbnail_path(self) -> str:
        """Path of the thumbnail (a JPEG of about 320 x 400)."""
        return f"/media/instagram/{self.handle}/{self.code}/thumb.jpg"


@dataclass(frozen=True, slots=True)
class Links:
    """A creator's addresses elsewhere; None = none. All are ordinary URLs of the world."""

    website: str | None = None
    aggregator: str | None = None
    instagram: str | None = None
    youtube: str | None = None
    twitter: str | None = None
    facebook: str | None = None
    tiktok: str | None = None
    twitch: str | None = None
    patreon: str | None = None
    linkedin: str | None = None
    discord: str | None = None
    rss: str | None = None


@dataclass(frozen=True, slots=True)
class Creator:
    """What creators of every platform have. ``uid`` is ``<platform>:<handle>``; ``index`` its place in the world."""

    platform: Platform
    index: int
    handle: str
    display_name: str | None
    bio: str | None
    place: Place
    language: str
    niche: str
    links: Links
    contact: Contact
    truth: Truth

    @property
    def uid(self) -> str:
        """Platform and handle in one text."""
        return f"{self.platform}:{self.handle}"

    @property
    def domain(self) -> str | None:
        """Registered domain of the creator's own website, without ``www.``."""
        return self.contact.domain


@dataclass(frozen=True, slots=True)
class InstagramCreator(Creator):
    """An Instagram account; ``engagement_rate`` is a fraction (0.031), ``audience_usa_share`` in percent."""

    id: str
    follower_count: int
    following_count: int
    post_count: int
    engagement_rate: float
    average_likes: int
    average_views: int
    is_private: bool
    is_verified: bool
    account_type: Literal["PERSONAL", "BUSINESS", "CREATOR"]
    gender: str | None
    age_group: str | None
    interests: tuple[str, ...]
    hashtags: tuple[str, ...]
    audience_interests: tuple[str, ...]
    audience_usa_share: float
    audience_credibility: Literal["BAD", "LOW", "NORMAL", "HIGH", "EXCELLENT"]

    @property
    def url(self) -> str:
        """Profile address."""
        return f"https://www.instagram.com/{self.handle}"


@dataclass(frozen=True, slots=True)
class Tier:
    """One membership level of a Patreon page."""

    title: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class PatreonCreator(Creator):
    """A Patreon page; ``handle`` is its vanity, ``campaign_id`` its number; hidden counts are None."""

    campaign_id: str
    creation_name: str
    about: str | None
    patron_count: int | None
    paid_count: int | None
    post_count: int | None
    is_nsfw: bool
    tiers: tuple[Tier, ...]

    @property
    def url(self) -> str:
        """Page address."""
        return f"https://www.patreon.com/{self.handle}"


@dataclass(frozen=True, slots=True)
class FacebookGroup(Creator):
    """A Facebook group; ``handle`` is what its address ends in (slug or number), ``bio`` its snippet's text."""

    member_count: int
    posts_per_month: int | None
    visibility: Literal["public", "private"]

    @property
    def url(self) -> str:
        """Group address."""
        return f"https://www.facebook.com/groups/{self.handle}"


@dataclass(frozen=True, slots=True)
class SideAccount:
    """An account of a creator on a platform that is not its own one (an Instagram or X account, a YouTube channel)."""

    network: Literal["instagram", "twitter", "youtube"]
    handle: str
    owner: Creator
    display_name: str
    bio: str
    follower_count: int
    following_count: int
    post_count: int
    external_url: str | None
    is_private: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody a paid lookup knows at a company domain."""

    id: str
    first_name: str
    last_name: str
    title: str
    email: str | None
    personal_email: str | None
    phone: str | None
    linkedin_url: str | None
    city: str | None
    state: str | None
    country: str | None
    organization: str
    domain: str


@dataclass(frozen=True, slots=True)
class Page:
    """What an address of the world answers; ``location`` is set for redirects only."""

    status: int
    content_type: str
    body: str
    location: str | None = None


@dataclass(frozen=True, slots=True)
class GoogleResult:
    """One organic search result; ``position`` counts from 1 over all pages of the query."""

    position: int
    title: str
    url: str
    description: str
