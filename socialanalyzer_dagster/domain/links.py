"""Which web address is a profile of which kind, and its one canonical spelling (spec 6.5, I-9)."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode

from socialanalyzer_dagster.domain.hosts import has_known_suffix, is_own_website, parse_web_url, registered_domain
from socialanalyzer_dagster.domain.link_shapes import SHAPES, SOCIAL_DOMAINS, Link, LinkKind, matched_handle
from socialanalyzer_dagster.domain.policy_search import HostsPolicy

_PROFILE_HOST = re.compile(r"(?:(?:www|m|mobile|web|touch|[a-z]{2}(?:-[a-z]{2})?)\.)?")
_FEED_PATH = re.compile(r"(?:.*/)?(?:feed|rss|atom)(?:/podcast)?|.*\.rss|(?:.*/)?(?:feed|rss|atom|podcast)\.xml")
_TRACKING = re.compile(r"utm_|fbclid$|gclid$|igshid$|igsh$|mc_cid$|mc_eid$")
_GROUP_PATH = re.compile(r"groups/(?P<handle>[^/]+)(?:/.*)?")
_GROUP_NEVER = frozenset({"feed", "discover", "joins", "create", "search", "notifications", "browse"})


@lru_cache(maxsize=4096)
def social_link(url: str) -> Link | None:
    """The profile an address names on a social site; None for share and intent links, posts and everything else."""
    parts, domain = parse_web_url(url), registered_domain(url)
    if parts is None or parts.hostname is None or domain not in SOCIAL_DOMAINS:
        return None
    path = _path(parts)
    if domain == "substack.com" and (publication := _publication(parts.hostname, path)) is not None:
        return publication
    if not _PROFILE_HOST.fullmatch(parts.hostname.rstrip(".").removesuffix(domain)):
        return None
    if (numbered := _numbered_profile(domain, path, parts.query)) is not None:
        return numbered
    for shape in SHAPES:
        if domain in shape.domains and (handle := matched_handle(shape, path)) is not None:
            return Link(shape.kind, shape.url.format(quote(handle, safe="@+.-_~")), handle.removeprefix("@"))
    return None


def classify(url: str, hosts: HostsPolicy) -> Link | None:
    """The kind and canonical form of any address; None when it is a profile of no kind.

    An address of a social site that is no profile (a post, a share link) is never taken for a website.
    """
    parts, domain = parse_web_url(url), registered_domain(url)
    if parts is None or domain is None:
        return None
    if (link := social_link(url)) is not None:
        return link
    if domain in hosts.aggregators:
        return _aggregator_page(url, parts, domain)
    if domain in SOCIAL_DOMAINS:
        return None
    if not has_known_suffix(url):
        return None
    if is_feed(url):
        return Link(LinkKind.RSS, canonical_url(url) or url)
    if is_own_website(url, hosts):
        return Link(LinkKind.PERSONAL_WEBSITE, canonical_url(url) or url)
    return None


def accept(kind: LinkKind, url: str, hosts: HostsPolicy) -> Link | None:
    """The canonical link when the address is one of this kind, else None; a feed may stand at any public address."""
    if kind is LinkKind.RSS:
        address = canonical_url(url)
        is_site = has_known_suffix(url) and registered_domain(url) not in SOCIAL_DOMAINS
        return Link(kind, address) if address is not None and is_site else None
    link = classify(url, hosts)
    return link if link is not None and link.kind is kind else None


def group_link(url: str) -> Link | None:
    """A group as `https://www.facebook.com/groups/<id>` with its id as handle; None for other addresses (spec 6.4)."""
    parts = parse_web_url(url)
    if parts is None or registered_domain(url) != "facebook.com":
        return None
    matched = _GROUP_PATH.fullmatch(_path(parts))
    if matched is None or (handle := matched.group("handle").lower()) in _GROUP_NEVER:
        return None
    return Link(LinkKind.FACEBOOK, f"https://www.facebook.com/groups/{quote(handle, safe='.-_')}", handle)


def is_feed(url: str) -> bool:
    """True when an address looks like an RSS or Atom feed."""
    parts = parse_web_url(url)
    if parts is None or parts.hostname is None:
        return False
    first_label = parts.hostname.split(".")[0]
    return first_label in {"feeds", "feed", "rss"} or _FEED_PATH.fullmatch(_path(parts).lower()) is not None


def canonical_url(url: str) -> str | None:
    """Any web address in one spelling: lower-case host, no port of the scheme, fragment, tracking or closing slash."""
    parts = parse_web_url(url)
    if parts is None or parts.hostname is None:
        return None
    port = parts.port
    default_port = {"http": 80, "https": 443}[parts.scheme]
    host = parts.hostname.rstrip(".") + (f":{port}" if port not in (None, default_port) else "")
    kept = [pair for pair in parse_qsl(parts.query) if not _TRACKING.match(pair[0].lower())] if parts.query else []
    query = urlencode(kept)
    path = quote(parts.path, safe="/~!$&'()*+,;=:@%-._").rstrip("/")
    return f"{parts.scheme}://{host}{path}" + (f"?{query}" if query else "")


def merge_links(sources: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Kind -> URL where the first source in documented order that has the kind wins, never the last seen (spec 6.5)."""
    merged: dict[str, str] = {}
    for source in sources:
        for kind, url in source.items():
            merged.setdefault(kind, url)
    return merged


def _path(parts: SplitResult) -> str:
    return unquote(parts.path, errors="replace").strip("/")


def _publication(hostname: str, path: str) -> Link | None:
    label = hostname.rstrip(".").removesuffix("substack.com").removesuffix(".")
    if label == "open" and (matched := re.fullmatch(r"pub/([\w\-]+)(?:/.*)?", path)):
        label = matched.group(1).lower()
    if label in {"", "www", "open", "support", "reader", "on"} or "." in label:
        return None
    return Link(LinkKind.SUBSTACK, f"https://{label}.substack.com", label)


_NUMBERED = {
    ("facebook.com", "profile.php"): (LinkKind.FACEBOOK, "id", "https://www.facebook.com/profile.php?id={}"),
    ("patreon.com", "user"): (LinkKind.PATREON, "u", "https://www.patreon.com/user?u={}"),
}


def _numbered_profile(domain: str, path: str, query: str) -> Link | None:
    """Accounts without a name of their own are addressed by number in the query."""
    if (row := _NUMBERED.get((domain, path))) is None:
        return None
    kind, key, url = row
    number = dict(parse_qsl(query)).get(key, "")
    return Link(kind, url.format(number), number) if re.fullmatch(r"[0-9]{3,20}", number) else None


def _aggregator_page(url: str, parts: SplitResult, domain: str) -> Link | None:
    """One person's page: a path on the host, or a name before it."""
    host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    if host == domain and not _path(parts):
        return None
    canonical = canonical_url(url)
    if canonical is None:
        return None
    https = re.sub(r"^https?://(?:www\.)?", "https://", canonical.split("?", maxsplit=1)[0])
    return Link(LinkKind.LINK_AGGREGATOR, https)
