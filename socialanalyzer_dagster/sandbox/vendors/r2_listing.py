"""The XML of ListObjectsV2: prefix, delimiter, page size, continuation and URL-encoded keys."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

LARGEST_PAGE = 1000


def listing_xml(bucket: str, objects: Iterable[tuple[str, Mapping[str, Any]]], query: Mapping[str, str]) -> str:
    """Return one page of a bucket's objects (key, row) as XML; raises ValueError for a bad argument."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _page_size(query.get("max-keys"))
    after = _decoded(query["continuation-token"]) if "continuation-token" in query else query.get("start-after", "")
    rows = dict(objects)
    entries = sorted({_entry(key, prefix, delimiter) for key in rows if key.startswith(prefix)})
    rest = [entry for entry in entries if entry > after]
    page = rest[:limit]

    def shown(text: str) -> str:
        return escape(quote(text, safe="/") if query.get("encoding-type") == "url" else text)

    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        f"<Name>{escape(bucket)}</Name><Prefix>{shown(prefix)}</Prefix><MaxKeys>{limit}</MaxKeys>",
        f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(len(rest) > limit).lower()}</IsTruncated>",
    ]
    if query.get("encoding-type") == "url":
        parts.append("<EncodingType>url</EncodingType>")
    if delimiter:
        parts.append(f"<Delimiter>{shown(delimiter)}</Delimiter>")
    if len(rest) > limit and page:
        token = base64.urlsafe_b64encode(page[-1].encode()).decode()
        parts.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
    listed = (_contents(shown(entry), rows[entry]) if entry in rows else _common_prefix(shown(entry)) for entry in page)
    return "".join([*parts, *listed, "</ListBucketResult>"])


def _entry(key: str, prefix: str, delimiter: str) -> str:
    """Return the key itself, or the common prefix it is rolled up into."""
    head, found, _rest = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
    return prefix + head + found if found else key


def _contents(key: str, row: Mapping[str, Any]) -> str:
    etag = escape(f'"{row["etag"]}"')
    return (
        f"<Contents><Key>{key}</Key><LastModified>{row['modified']}</LastModified><ETag>{etag}</ETag>"
        f"<Size>{row['size']}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _common_prefix(text: str) -> str:
    return f"<CommonPrefixes><Prefix>{text}</Prefix></CommonPrefixes>"


def _page_size(text: str | None) -> int:
    size = int(text) if text else LARGEST_PAGE
    if size < 0:
        raise ValueError("max-keys must not be negative")
    return min(size, LARGEST_PAGE)


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("The continuation token provided is incorrect") from None
