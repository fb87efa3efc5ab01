"""Sends messages through Apprise, a library that speaks to Slack, mail servers and many more by URL (spec 16)."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat
from apprise.plugins.slack import NotifySlack

from socialanalyzer_dagster.domain.notifications import DeliveryFailed, DeliveryUnknown, Message, NoSuchChannel
from socialanalyzer_dagster.vendors.transport import is_loopback

_SECONDS = 10
"""For a connection, and for an answer (spec 3.3)."""
_STATUS = re.compile(r"\berror=(\d{3})\b")
_REFUSALS = frozenset({*range(300, 408), *range(409, 500), 500, 503})
"""Answers of a service that did not take a message; a gateway (502, 504) does not know."""
_SMTP_ANSWER = re.compile(r"Socket Exception: [^\n]*?\((\d{3}), b['\"]")
_NEVER_REACHED = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|CERTIFICATE_VERIFY_FAILED"
    r"|Connection error while submitting email"
)
_TAKEN = "Sent "
_TLS_FROM_THE_START = "smtps"
_SENDER = "Social Analyzer"


class BadAddress(ValueError):
    """The library knows no service of such an address; the text names the channel alone."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One address; `sandbox_host` is the host of a sandbox's, which must be this machine (I-70)."""

    service: NotifyBase
    text_format: NotifyFormat
    sandbox_host: str | None = None

    def send(self, message: Message) -> None:
        """Hand over one message once; raises DeliveryFailed, and DeliveryUnknown when it may have arrived."""
        if self.sandbox_host is not None and not _stays_here(self.sandbox_host):
            raise DeliveryFailed("outside_sandbox")
        sender = Apprise(asset=_asset())
        sender.add(self.service)
        result = sender.notify(
            body=message.text, title=message.title, body_format=self.text_format, log_level=logging.DEBUG
        )
        if not result:
            raise _why_not([entry.message for service in result for attempt in service for entry in attempt])


class Notifier:
    """Every channel that has an address, by its name."""

    def __init__(self, channels: Mapping[str, Channel | None]) -> None:
        """None stands for an address that cannot be used: what goes there fails, and other channels do not."""
        self._channels = channels

    @property
    def channels(self) -> frozenset[str]:
        """The names of the channels."""
        return frozenset(self._channels)

    def send(self, channel: str, message: Message) -> None:
        """Hand over one message once; raises NoSuchChannel, DeliveryFailed and DeliveryUnknown."""
        if channel not in self._channels:
            raise NoSuchChannel(channel)
        found = self._channels[channel]
        if found is None:
            raise DeliveryFailed("bad_address")
        found.send(message)


class _Webhook(NotifySlack):  # type: ignore[no-untyped-call]
    """An incoming webhook at the address it was given with; texts come in Slack's own markup and stay as they are."""

    def dialect_convert(self, body: str, *_args: object, **_kwargs: object) -> str:
        """The text, which is escaped already."""
        return body


def slack_channel(webhook_url: str, *, in_sandbox: bool) -> Channel:
    """An incoming webhook of Slack, whose address ends in three secret parts; raises BadAddress."""
    base, *tokens = webhook_url.rstrip("/").rsplit("/", 3)
    if len(tokens) != 3:
        raise BadAddress("SLACK_WEBHOOK_URL is no incoming webhook")
    names = ("token_a", "token_b", "token_c")
    try:
        service = _Webhook(  # type: ignore[no-untyped-call]
            **dict(zip(names, tokens, strict=True)), use_blocks=True, include_footer=False, include_image=False,
            asset=_asset(), cto=_SECONDS, rto=_SECONDS,
        )  # fmt: skip
    except TypeError:
        raise BadAddress("SLACK_WEBHOOK_URL is no incoming webhook") from None
    service.webhook_url = base
    return Channel(service, NotifyFormat.MARKDOWN, _host(webhook_url) if in_sandbox else None)


def email_channel(smtp_url: str, recipients: str, *, in_sandbox: bool) -> Channel:
    """A mail server `smtps://user:password@host:465?from=ADDRESS` (TLS), or `smtp://` (STARTTLS but on this machine).

    `recipients` are addresses with commas between them. Raises BadAddress.
    """
    server = urlsplit(smtp_url)
    host = server.hostname or ""
    secure = server.scheme == _TLS_FROM_THE_START or not is_loopback(host)
    mode = "ssl" if server.scheme == _TLS_FROM_THE_START else "starttls"
    options = {
        "smtp": host, "from": sender_of(smtp_url), "name": _SENDER, "to": recipients, "format": "text",
        "mode": mode if secure else "insecure",
    }  # fmt: skip
    user = quote(unquote(server.username or ""), safe="")
    login = f"{user}:{quote(unquote(server.password or ''), safe='')}@" if user else ""
    port = f":{server.port}" if server.port else ""
    address = f"{'mailtos' if secure else 'mailto'}://{login}{host}{port}?{urlencode(options, quote_via=quote)}"
    return Channel(_service("SMTP_URL", address), NotifyFormat.TEXT, host if in_sandbox else None)


def url_channel(name: str, url: str, *, in_sandbox: bool) -> Channel:
    """Any service of the library by its URL; raises BadAddress."""
    return Channel(_service(name, url), NotifyFormat.TEXT, _host(url) if in_sandbox else None)


def sender_of(smtp_url: str) -> str:
    """The address that messages come from: `?from=`, else the user name."""
    server = urlsplit(smtp_url)
    named = re.search(r"(?:^|&)from=([^&]+)", server.query)
    return unquote(named[1] if named else server.username or "")


def _service(name: str, url: str) -> NotifyBase:
    separator = "&" if "?" in url else "?"
    timed = f"{url}{separator}cto={_SECONDS}&rto={_SECONDS}"
    service = Apprise.instantiate(timed, asset=_asset(), suppress_exceptions=True)
    if not isinstance(service, NotifyBase):
        raise BadAddress(f"the address of '{name}' is none that Apprise knows")
    service.retry = 0
    return service


def _asset() -> AppriseAsset:
    """Nothing on disk, no redirects, no plugins from outside; what it says of a sending is read and written nowhere."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logging.getLogger("urllib3.connectionpool").disabled = True
    return AppriseAsset(app_id=_SENDER, http_redirects=False, plugin_paths=[], async_mode=False)


def _why_not(told: Sequence[str]) -> DeliveryFailed | DeliveryUnknown:
    """What the library's own words prove: that nothing was taken, else that it is not known.

    A second sending of what was taken would tell people twice, so only a refusal and a service that was never reached
    count as a failure.
    """
    if any(each.startswith(_TAKEN) for each in told):
        return DeliveryUnknown("partly_delivered")
    text = "\n".join(told)
    if status := _STATUS.search(text):
        code = f"http_{status[1]}"
        return DeliveryFailed(code) if int(status[1]) in _REFUSALS else DeliveryUnknown(code)
    if answer := _SMTP_ANSWER.search(text):
        return DeliveryFailed(f"smtp_{answer[1]}")
    return DeliveryFailed("not_reached") if _NEVER_REACHED.search(text) else DeliveryUnknown("no_answer")


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _stays_here(host: str) -> bool:
    """True when the host is this machine and no proxy of the environment stands before it."""
    return is_loopback(host) and (not getproxies() or bool(proxy_bypass(host)))
