"""The table of link kinds: registered domains, path shapes and paths that are never a profile (spec 6.5)."""

import re
from dataclasses import dataclass
from enum import StrEnum


class LinkKind(StrEnum):
    """The kinds of links a lead can have."""

    INSTAGRAM = "instagram"
    YOUTUBE = "youtube"
    TWITTER = "twitter"
    LINKEDIN = "linkedin"
    TIKTOK = "tiktok"
    FACEBOOK = "facebook"
    TWITCH = "twitch"
    DISCORD = "discord"
    PATREON = "patreon"
    PINTEREST = "pinterest"
    SUBSTACK = "substack"
    PERSONAL_WEBSITE = "personal_website"
    LINK_AGGREGATOR = "link_aggregator"
    RSS = "rss"


@dataclass(frozen=True, slots=True)
class Link:
    """An accepted link; `handle` is the account's name in the address, lower-case where the site ignores case."""

    kind: LinkKind
    url: str
    handle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkShape:
    """A profile of `kind` is a `path` (decoded, without edge slashes) at one of the registered `domains`.

    The path's group `handle` fills `url`; a first path part or handle in `never` is no profile.
    """

    kind: LinkKind
    domains: frozenset[str]
    path: str
    url: str
    never: frozenset[str] = frozenset()
    keeps_case: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHANNEL_TABS = "(?:/(?:about|videos|shorts|featured|streams|playlists|podcasts|community))?"
_PAGE_TABS = "(?:/(?:about|posts|membership|shop|collections|home))?"
_YOUTUBE = _words("youtube.com")

SHAPES: tuple[LinkShape, ...] = (
    LinkShape(
        kind=LinkKind.INSTAGRAM,
        domains=_words("instagram.com"),
        path=r"(?P<handle>[\w.]{1,60})",
        url="https://www.instagram.com/{}",
        never=_words("p reel reels stories explore tv accounts about direct developer legal s"),
    ),
    LinkShape(
        kind=LinkKind.YOUTUBE,
        domains=_YOUTUBE,
        path=rf"(?P<handle>@[^/]+){_CHANNEL_TABS}",
        url="https://www.youtube.com/{}",
    ),
    LinkShape(
        kind=LinkKind.YOUTUBE,
        domains=_YOUTUBE,
        path=rf"channel/(?P<handle>[\w\-]+){_CHANNEL_TABS}",
        url="https://www.youtube.com/channel/{}",
        keeps_case=True,
    ),
    LinkShape(
        kind=LinkKind.YOUTUBE,
        domains=_YOUTUBE,
        path=rf"c/(?P<handle>[^/]+){_CHANNEL_TABS}",
        url="https://www.youtube.com/c/{}",
    ),
    LinkShape(
        kind=LinkKind.TWITTER,
        domains=_words("twitter.com x.com"),
        path=r"@?(?P<handle>\w{1,30})",
        url="https://x.com/{}",
        never=_words(
            "home search explore notifications messages i intent hashtag share settings login signup tos privacy about"
        ),
    ),
    LinkShape(
        kind=LinkKind.LINKEDIN,
        domains=_words("linkedin.com"),
        path=r"in/(?P<handle>[^/]+)(?:/[a-z]{2})?",
        url="https://www.linkedin.com/in/{}",
    ),
    LinkShape(
        kind=LinkKind.TIKTOK,
        domains=_words("tiktok.com"),
        path=r"@(?P<handle>[\w.\-]{1,60})",
        url="https://www.tiktok.com/@{}",
    ),
    LinkShape(
        kind=LinkKind.FACEBOOK,
        domains=_words("facebook.com fb.com"),
        path=r"(?P<handle>(?!.*\.php$)[\w.\-]{2,100})",
        url="https://www.facebook.com/{}",
        never=_words(
            "sharer share dialog groups events watch pages people marketplace gaming login help policies photo photos "
            "story plugins hashtag reel stories media privacy business ads"
        ),
    ),
    LinkShape(
        kind=LinkKind.TWITCH,
        domains=_words("twitch.tv"),
        path=r"(?P<handle>\w{2,40})",
        url="https://www.twitch.tv/{}",
        never=_words("directory videos p downloads settings subscriptions search login signup turbo jobs store"),
    ),
    LinkShape(
        kind=LinkKind.DISCORD,
        domains=_words("discord.gg"),
        path=r"(?P<handle>[\w\-]+)",
        url="https://discord.gg/{}",
        keeps_case=True,
    ),
    LinkShape(
        kind=LinkKind.DISCORD,
        domains=_words("discord.com discordapp.com"),
        path=r"invite/(?P<handle>[\w\-]+)",
        url="https://discord.gg/{}",
        keeps_case=True,
    ),
    LinkShape(
        kind=LinkKind.PATREON,
        domains=_words("patreon.com"),
        path=rf"(?:(?:c|cw)/)?(?P<handle>[^/]+){_PAGE_TABS}",
        url="https://www.patreon.com/{}",
        never=_words(
            "posts home login create creators search explore messages policy about apps bepatron checkout join user m "
            "c cw rss settings signup product pricing legal privacy oauth2 portal collection campaign file media"
        ),
    ),
    LinkShape(
        kind=LinkKind.PINTEREST,
        domains=_words(
            "pinterest.com pinterest.co.uk pinterest.ca pinterest.de pinterest.fr pinterest.com.au pinterest.com.mx"
        ),
        path=r"(?P<handle>\w{2,60})",
        url="https://www.pinterest.com/{}",
        never=_words("pin search ideas today login business settings explore"),
    ),
    LinkShape(
        kind=LinkKind.SUBSTACK,
        domains=_words("substack.com"),
        path=r"@(?P<handle>[\w\-]+)",
        url="https://substack.com/@{}",
    ),
)
SOCIAL_DOMAINS = frozenset().union(*(shape.domains for shape in SHAPES)) | {"youtu.be", "pin.it", "fb.me", "t.co"}
"""An address on one of these is a profile or nothing, never a website."""


def matched_handle(shape: LinkShape, path: str) -> str | None:
    """The handle in a path of this shape, lower-case where the site ignores case; None when it is no profile.

    A handle may hold any characters its site allows ('18+'), but no white space or address punctuation.
    """
    matched = re.fullmatch(shape.path, path if shape.keeps_case else path.lower())
    if matched is None:
        return None
    handle = matched.group("handle")
    if path.split("/", maxsplit=1)[0].lower() in shape.never - {"c", "cw"} or handle.lower() in shape.never:
        return None
    readable = len(handle) <= 200 and any(char.isalnum() for char in handle)
    return handle if readable and not re.search(r"[\s<>\"?#&=%\\]", handle) else None
