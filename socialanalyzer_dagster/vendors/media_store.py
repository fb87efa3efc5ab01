"""Private object store for media and grids: a local folder or an S3 bucket, each key written once (contracts 10)."""

import asyncio
import logging
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from socialanalyzer_dagster.domain.ports import MediaPort
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.vendors.media_types import suffix_of
from socialanalyzer_dagster.vendors.transport import CONNECT_SECONDS, is_loopback

READ_SECONDS = 30
_WIRE_LOGGERS = ("boto3", "botocore", "urllib3")
PROBE_KEY = "probe/write-test"
_UNFINISHED = ".tmp-"
"""How the name of a file begins that is not written to its end; a killed process leaves it to be deleted like any."""
_KEY = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]*(/({re.escape(_UNFINISHED)})?[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_ABSENT, _EXISTS = {"NoSuchKey", "404", "NotFound"}, {"PreconditionFailed", "412"}

Keep = Callable[[bytes, str], Awaitable[str]]
"""Stores bytes of a content type and gives the key."""


class MediaStoreError(Exception):
    """The store did not do what was asked; the text names the store's error code, never a key of ours."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the store."""

    key: str
    stored_at: datetime


class MediaStore(MediaPort, Protocol):
    """The store behind MediaPort with what set-up and clean-up need; every method raises MediaStoreError."""

    async def objects(self, prefix: str) -> list[StoredObject]: ...

    async def exists(self, key: str) -> bool: ...

    async def delete(self, key: str) -> None: ...

    async def probe(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAccess:
    """What opens an S3 bucket."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


def checked_key(key: str) -> str:
    """The key itself; raises ValueError when it could leave the store's folder or needs escaping."""
    if not _KEY.fullmatch(key) or ".." in key:
        raise ValueError("a media key is a relative path of letters, digits, dots, dashes and underscores")
    return key


def keeper(store: MediaPort, lead: LeadUid) -> Keep:
    """Stores media of one lead under `media/<lead uid>/<sha256>.<type>` (spec 8.7, I-2)."""

    async def keep(data: bytes, content_type: str) -> str:
        key = f"media/{lead}/{sha256(data).hexdigest()}.{suffix_of(content_type)}"
        await store.put(key, data, content_type)
        return key

    return keep


class FolderStore:
    """Objects as files below one folder, readable by the owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store once; an existing object stays as it is."""
        await asyncio.to_thread(self._put, self._path(key), data)

    async def get(self, key: str) -> bytes | None:
        """The bytes, or None when there is no such object."""
        return await asyncio.to_thread(self._get, self._path(key))

    async def exists(self, key: str) -> bool:
        """True when the object is there."""
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        """Remove the object, also when it is absent."""
        await asyncio.to_thread(self._delete, self._path(key))

    async def objects(self, prefix: str) -> list[StoredObject]:
        """Every object below a folder such as `media/`, in the order of keys."""
        return await asyncio.to_thread(self._objects, self._path(prefix.rstrip("/")))

    async def probe(self) -> None:
        """Write, read and remove a test object."""
        await _probe(self)

    async def aclose(self) -> None:
        """Nothing is kept open."""

    def _path(self, key: str) -> Path:
        return self._folder / checked_key(key)

    def _put(self, path: Path, data: bytes) -> None:
        if path.is_file():
            return
        try:
            for folder in (self._folder, path.parent):  # the mode is that of the last folder of each alone
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_UNFINISHED, delete=False) as part:
                try:
                    part.write(data)
                    part.flush()
                    Path(part.name).replace(path)
                except OSError:
                    Path(part.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise MediaStoreError(f"the media folder cannot be written: {error.strerror}") from None

    def _delete(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise MediaStoreError(f"the media folder cannot be written: {error.strerror}") from None

    def _objects(self, below: Path) -> list[StoredObject]:
        try:
            behind = len(str(self._folder)) + 1
            found = [
                StoredObject(entry.path[behind:], datetime.fromtimestamp(entry.stat().st_mtime, UTC))
                for entry in _files(below)
            ]
        except OSError as error:
            raise MediaStoreError(f"the media folder cannot be read: {error.strerror}") from None
        return sorted(found, key=lambda each: each.key)

    def _get(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MediaStoreError(f"the media folder cannot be read: {error.strerror}") from None


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Every file below a folder, none where there is no folder: a listing says what each entry is."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.is_file():
                yield entry


class BucketStore:
    """Objects in an S3 bucket under a prefix; boto3 runs in threads, its retries are off."""

    def __init__(self, *, bucket: str, prefix: str, access: BucketAccess) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client = _s3_client(access)

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store once; an existing object stays as it is."""
        await self._ask("put_object", key, absent_is_none=False, Body=data, ContentType=content_type, IfNoneMatch="*")

    async def get(self, key: str) -> bytes | None:
        """The bytes, or None when there is no such object."""
        return await asyncio.to_thread(self._get, key)

    async def exists(self, key: str) -> bool:
        """True when the object is there."""
        return await self._ask("head_object", key, absent_is_none=True) is not None

    async def delete(self, key: str) -> None:
        """Remove the object, also when it is absent."""
        await self._ask("delete_object", key, absent_is_none=True)

    async def objects(self, prefix: str) -> list[StoredObject]:
        """Every object below a folder such as `media/`, in the order of keys."""
        return await asyncio.to_thread(self._objects, checked_key(prefix.rstrip("/")) + "/")

    async def probe(self) -> None:
        """Write, read and remove a test object."""
        await _probe(self)

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._client.close)

    async def _ask(self, method: str, key: str, *, absent_is_none: bool, **options: object) -> Any:  # noqa: ANN401
        return await asyncio.to_thread(self._send, method, key, absent_is_none, options)

    def _get(self, key: str) -> bytes | None:
        found = self._send("get_object", key, True, {})
        return None if found is None else bytes(found["Body"].read())

    def _objects(self, below: str) -> list[StoredObject]:
        found: list[StoredObject] = []
        options: dict[str, object] = {"Prefix": self._prefix + below}
        while True:
            page = self._answer("list_objects_v2", options)
            found += [
                StoredObject(each["Key"].removeprefix(self._prefix), each["LastModified"].astimezone(UTC))
                for each in page.get("Contents", ())
            ]
            if not page.get("IsTruncated"):
                return found
            options["ContinuationToken"] = page["NextContinuationToken"]

    def _send(self, method: str, key: str, absent_is_none: bool, options: dict[str, object]) -> Any:  # noqa: ANN401
        expected = _EXISTS | (_ABSENT if absent_is_none else set())
        return self._answer(method, {"Key": self._prefix + checked_key(key), **options}, expected)

    def _answer(self, method: str, options: dict[str, object], expected: Collection[str] = ()) -> Any:  # noqa: ANN401
        """What the bucket says; None for an error code that the caller expects."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, method)(Bucket=self._bucket, **options)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in expected:
                return None
            raise MediaStoreError(f"the media bucket answered {code[:60]}") from None
        except BotoCoreError as error:
            raise MediaStoreError(f"the media bucket cannot be reached: {type(error).__name__}") from None


def _s3_client(access: BucketAccess) -> Any:  # noqa: ANN401 - boto3 builds its clients at run time
    import boto3
    from botocore.config import Config

    for name in _WIRE_LOGGERS:  # their debug lines hold signed headers (I-61)
        logging.getLogger(name).setLevel(logging.WARNING)
    config = Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1},
        max_pool_connections=16,
        proxies={},
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=access.endpoint_url,
        region_name="auto",
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        config=config,
    )


async def _probe(store: MediaStore) -> None:
    await store.delete(PROBE_KEY)
    await store.put(PROBE_KEY, b"probe", "text/plain")
    if await store.get(PROBE_KEY) != b"probe":
        raise MediaStoreError("the media store does not give back what was written")
    await store.delete(PROBE_KEY)


def open_media_store(url: str, access: BucketAccess | None = None, *, loopback_only: bool = False) -> MediaStore:
    """The store of `file:///folder` or `s3://bucket/prefix`.

    Raises ValueError for another URL, a bucket without access, or an outside endpoint in the sandbox (I-70).
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError("a media store is file:///folder or s3://bucket/prefix")
    if access is None:
        raise ValueError("an s3:// media store needs its endpoint and keys")
    if loopback_only and not is_loopback(urlsplit(access.endpoint_url).hostname or ""):
        raise ValueError("a sandbox media store reaches loopback addresses only")
    return BucketStore(bucket=parts.netloc, prefix=parts.path, access=access)
