"""Facts about the media store and the kinds of media (spec 8.7, contracts 10, I-2)."""

import struct
from decimal import Decimal
from pathlib import Path

import pytest

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.vendors.media_store import (
    BucketAccess,
    FolderStore,
    MediaStore,
    MediaStoreError,
    checked_key,
    keeper,
    open_media_store,
)
from socialanalyzer_dagster.vendors.media_types import media_seconds, sniff, suffix_of


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path) -> MediaStore:
    """Both kinds of store; the bucket is the sandbox's."""
    if request.param == "folder":
        return open_media_store((tmp_path / "media").as_uri())
    sandbox = request.getfixturevalue("sandbox")
    access = BucketAccess(endpoint_url=f"{sandbox.base_url}/r2", access_key_id="sandbox", secret_access_key="sandbox")
    return open_media_store(f"s3://leads-media/{tmp_path.name}", access, loopback_only=True)


async def test_an_object_is_written_once(store):
    assert await store.get("media/l/a.jpg") is None
    assert not await store.exists("media/l/a.jpg")
    await store.put("media/l/a.jpg", b"first", "image/jpeg")
    await store.put("media/l/a.jpg", b"second", "image/jpeg")
    assert await store.get("media/l/a.jpg") == b"first"
    assert await store.exists("media/l/a.jpg")
    await store.delete("media/l/a.jpg")
    await store.delete("media/l/a.jpg")
    assert await store.get("media/l/a.jpg") is None
    await store.aclose()


async def test_a_probe_leaves_nothing_behind(store):
    await store.probe()
    await store.probe()
    assert not await store.exists("probe/write-test")


async def test_a_leads_media_have_its_id_and_the_content_in_their_key(tmp_path):
    key = await keeper(FolderStore(tmp_path), LeadUid("lead-1"))(b"data", "image/jpeg")
    digest = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    assert key == f"media/lead-1/{digest}.jpg"
    assert (tmp_path / key).read_bytes() == b"data"


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/.hidden", "a b", "a\\b", "a/", "a..b"])
def test_a_key_cannot_leave_the_store(key):
    with pytest.raises(ValueError, match="relative path"):
        checked_key(key)


async def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MediaStoreError, match="cannot be written"):
        await FolderStore(tmp_path / "file").put("a/b", b"x", "image/png")


async def test_a_bucket_that_refuses_says_so_without_a_key(sandbox):
    access = BucketAccess(endpoint_url=f"{sandbox.base_url}/r2", access_key_id="invalid", secret_access_key="secret-1")
    with pytest.raises(MediaStoreError) as caught:
        await open_media_store("s3://leads-media", access).put("a/b", b"x", "image/png")
    assert "InvalidAccessKeyId" in str(caught.value)
    assert "secret-1" not in f"{caught.value!r}{access!r}"


@pytest.mark.parametrize("url", ["https://x/y", "s3://", "folder", "file:"])
def test_only_folders_and_buckets_are_stores(url):
    with pytest.raises(ValueError, match="media store is"):
        open_media_store(url)


def test_a_bucket_needs_access_and_stays_on_this_machine_in_the_sandbox():
    with pytest.raises(ValueError, match="endpoint and keys"):
        open_media_store("s3://bucket")
    outside = BucketAccess(endpoint_url="https://x.r2.cloudflarestorage.com", access_key_id="a", secret_access_key="b")
    with pytest.raises(ValueError, match="loopback"):
        open_media_store("s3://bucket", outside, loopback_only=True)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def mp4(seconds: float, *, wide: bool = False, scale: int = 600, moov_last: bool = False) -> bytes:
    fields = struct.pack(">QQIQ" if wide else ">IIII", 0, 0, scale, round(seconds * scale))
    header = box(b"mvhd", bytes([int(wide), 0, 0, 0]) + fields + b"\0" * 80)
    moov, data = box(b"moov", box(b"free", b"x") + header), box(b"mdat", b"y" * 50)
    return box(b"ftyp", b"isom\0\0\0\0") + (data + moov if moov_last else moov + data)


def wav(seconds: int) -> bytes:
    body = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    data = b"\0" * (seconds * 16000)
    chunks = b"fmt " + struct.pack("<I", len(body)) + body + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (mp4(12.5), "12.5"),
        (mp4(12.5, wide=True, moov_last=True), "12.5"),
        (wav(3), "3"),
        (mp4(0), None),
        (mp4(5, scale=0), None),
        (mp4(12)[:40], None),
        (box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", b"short")), None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
        (b"<html>", None),
        (b"\0" * 100, None),
    ],
)
def test_the_length_comes_from_the_container_or_is_unknown(data, seconds):
    assert media_seconds(data) == (None if seconds is None else Decimal(seconds))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF0000WEBPVP8 ", "image/webp"),
        (b"RIFF0000WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"OggS", "audio/ogg"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"<svg", None),
        (b"", None),
        (b"RIFF0000AVI ", None),
    ],
)
def test_the_kind_of_media_is_told_by_its_bytes(data, kind):
    assert sniff(data) == kind


def test_suffixes_are_those_of_the_kinds_we_use():
    assert (suffix_of("image/jpeg; q=1"), suffix_of("VIDEO/MP4"), suffix_of("text/html")) == ("jpg", "mp4", "bin")


async def test_objects_below_a_folder_are_listed_with_the_time_they_were_stored(store):
    assert await store.objects("media") == []
    for key in ("media/lead-1/a.jpg", "media/lead-2/b.jpg", "grids/lead-1/c.jpg"):
        await store.put(key, b"data", "image/jpeg")
    listed = await store.objects("media/")
    assert [each.key for each in listed] == ["media/lead-1/a.jpg", "media/lead-2/b.jpg"]
    assert [each.key for each in await store.objects("media/lead-2")] == ["media/lead-2/b.jpg"]
    assert all(each.stored_at.tzinfo is not None for each in listed)
    await store.aclose()


async def test_what_a_kill_left_of_a_write_is_listed_and_deleted_like_any_object(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            store._put(tmp_path / "media" / "lead-1" / "a.jpg", b"data")
    (left,) = await store.objects("media/lead-1")
    await store.delete(left.key)
    assert await store.objects("media/lead-1") == []


async def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MediaStoreError, match="No space left"):
        await FolderStore(tmp_path).put("media/lead-1/a.jpg", b"data", "image/jpeg")
    assert await FolderStore(tmp_path).objects("media") == []
