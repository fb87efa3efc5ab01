"""Hosts compared by registered domain, never by substring, with a bundled public-suffix list (spec 8.2, 8.3, I-9)."""

import re
from functools import cache, lru_cache
from urllib.parse import SplitResult, urlsplit

import tldextract

from socialanalyzer_dagster.domain.policy_search import EmailsPolicy, HostsPolicy

MAX_URL_CHARS = 2048
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:(?!\d)")
_HOST = re.compile(r"(?=.{4,253}$)(?:[^\W_](?:[\w\-]{0,61}[^\W_])?\.)+[^\W\d_][\w\-]{0,61}[^\W_]")


@lru_cache(maxsize=4096)
def parse_web_url(text: str) -> SplitResult | None:
    """The parts of an http(s) address, with https where the scheme is missing; None for anything else.

    `hostname` is lower-case ASCII or Unicode as written, has at least two labels and is no bare IP address. Refused are
    other schemes (`javascript:`, `data:`, `mailto:`), white space, control characters and texts over 2,048 characters.
    """
    trimmed = text.strip()
    if not trimmed or len(trimmed) > MAX_URL_CHARS or " " in trimmed or not trimmed.isprintable():
        return None
    if trimmed.startswith("//"):
        trimmed = f"https:{trimmed}"
    elif not _SCHEME.match(trimmed):
        trimmed = f"https://{trimmed}"
    try:
        parts = urlsplit(trimmed)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or host is None or not _HOST.fullmatch(host.rstrip(".")):
        return None
    return parts


@lru_cache(maxsize=4096)
def host_of(url: str) -> str | None:
    """Lower-case host of a web address or bare host; None when it is none."""
    parts = parse_web_url(url)
    return None if parts is None or parts.hostname is None else parts.hostname.rstrip(".")


@lru_cache(maxsize=4096)
def registered_domain(url: str) -> str | None:
    """'https://shop.wix.com/x' -> 'wix.com'; 'a.co.uk' -> 'a.co.uk'; None when there is no registered domain.

    Under an unknown top level the last two labels count, as the public-suffix list prescribes.
    """
    host = host_of(url)
    return None if host is None else _split(host)[0]


def domain_name(url: str) -> str | None:
    """The registered domain without its public suffix: 'mail.yahoo.co.in' -> 'yahoo'; None for unknown suffixes."""
    host = host_of(url)
    return None if host is None else _split(host)[1]


def has_known_suffix(url: str) -> bool:
    """True when the host ends in a suffix of the public-suffix list."""
    return domain_name(url) is not None


def is_aggregator(url: str, hosts: HostsPolicy) -> bool:
    """True for pages whose purpose is to list a person's links (spec 8.2)."""
    return registered_domain(url) in hosts.aggregators


def is_own_website(url: str, hosts: HostsPolicy) -> bool:
    """True when the address can be a creator's own site: no aggregator, no host of the never-a-website list."""
    domain = registered_domain(url)
    return domain is not None and domain not in hosts.aggregators and domain not in hosts.never_website


def is_personal_provider(domain: str, emails: EmailsPolicy) -> bool:
    """True for domains where private people have mailboxes: gmail.com, yahoo.co.uk (spec 8.3)."""
    registered = registered_domain(domain)
    return registered in emails.personal_domains or domain_name(domain) in emails.personal_names_any_suffix


def may_be_looked_up(url: str, hosts: HostsPolicy, emails: EmailsPolicy) -> bool:
    """True when the domain says something about one organisation, so that a paid lookup by domain makes sense (8.2).

    False also for tenants of shared hosting such as `name.wixsite.com`: their registered domain is the hoster's.
    """
    host, domain = host_of(url), registered_domain(url)
    if host is None or domain is None or is_aggregator(url, hosts) or is_personal_provider(url, emails):
        return False
    return domain not in hosts.never_lookup and not _is_shared_hosting(host)


@cache
def _suffixes() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@cache
def _suffixes_with_hosters() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@lru_cache(maxsize=4096)
def _split(host: str) -> tuple[str | None, str | None]:
    """(registered domain, name before a known suffix)."""
    found = _suffixes().extract_str(host)
    if found.suffix:
        return (found.top_domain_under_public_suffix.lower() or None, found.domain.lower() or None)
    return ".".join(host.split(".")[-2:]), None


def _is_shared_hosting(host: str) -> bool:
    return _suffixes_with_hosters().extract_str(host).is_private
