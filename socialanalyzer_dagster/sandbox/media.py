"""Generated media: small JPEGs and MP4s that carry whose item they are, so that uploaded bytes can be recognised."""

import io
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image

from socialanalyzer_dagster.sandbox.wire import Call
from socialanalyzer_dagster.sandbox.world.dice import hash64, token
from socialanalyzer_dagster.sandbox.world.models import Creator, Post
from socialanalyzer_dagster.sandbox.world.world import World

_MARK = re.compile(rb"sandbox-media:([a-z]+):([^:\s]+):([^:\s]+):([0-9.]+);")
_THUMB_SIZE = (320, 400)
_PICTURE_SIZE = (540, 675)
_AVATAR_SIZE = (160, 160)
_SHADES = 48
_TIMESCALE = 1000


@dataclass(frozen=True, slots=True)
class MediaMark:
    """Whose item some bytes are: platform, handle, item code and its length (0 for pictures)."""

    platform: str
    handle: str
    code: str
    seconds: float


def avatar_path(creator: Creator) -> str:
    """Path of a creator's profile picture below the sandbox's root, to be signed by ``signed_url``."""
    return f"/media/{creator.platform}/{creator.handle}/profile.jpg"


def signed_url(call: Call, path: str) -> str:
    """A media address below the host that was called; answered until its lifetime has passed on the sandbox clock."""
    expires = call.state.clock.timestamp() + call.state.config.switches.media_lifetime_seconds
    return f"{call.base_url}{path}?expires={expires}&signature={token(20, call.state.config.seed, path, expires)}"


def is_signature_valid(path: str, *, seed: int, expires: str, signature: str) -> bool:
    """Whether a signature belongs to this path and moment."""
    return expires.isdigit() and signature == token(20, seed, path, int(expires))


def media_file(world: World, path: str) -> tuple[bytes, str] | None:
    """Bytes and content type behind a media path (``/media/...``), or None when there is no such item."""
    parts = path.strip("/").split("/")
    if len(parts) == 4 and parts[3] == "profile.jpg":
        creator = world.creator(parts[1], parts[2])
        return None if creator is None else (picture(_AVATAR_SIZE, parts[1], parts[2], "profile"), "image/jpeg")
    if len(parts) != 5 or parts[1] != "instagram":
        return None
    post = next((post for post in world.instagram_posts(parts[2]) or [] if post.code == parts[3]), None)
    return None if post is None else _item_file(post, parts[4])


def _item_file(post: Post, name: str) -> tuple[bytes, str] | None:
    stem, _, suffix = name.rpartition(".")
    if name == "thumb.jpg":
        return picture(_THUMB_SIZE, "instagram", post.handle, post.code), "image/jpeg"
    if not stem.isdigit() or int(stem) >= post.children:
        return None
    if suffix == "mp4" and post.duration_seconds is not None:
        return video("instagram", post.handle, post.code, post.duration_seconds), "video/mp4"
    if suffix == "jpg" and post.duration_seconds is None:
        return picture(_PICTURE_SIZE, "instagram", post.handle, f"{post.code}-{stem}"), "image/jpeg"
    return None


def picture(size: tuple[int, int], platform: str, handle: str, code: str) -> bytes:
    """A JPEG in one of a few dozen shades; the mark in its comment makes every item's bytes different."""
    shade = hash64(handle, code) % _SHADES
    template = _shaded_jpeg(size, shade)
    comment = _mark(platform, handle, code, 0.0)
    return template[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + template[2:]


@lru_cache(maxsize=256)
def _shaded_jpeg(size: tuple[int, int], shade: int) -> bytes:
    first = (37 * shade % 200 + 40, 91 * shade % 200 + 30, 53 * shade % 200 + 50)
    second = (first[2], first[0], first[1])
    image = Image.new("RGB", (8, 10), first)
    image.paste(second, (0, 5 + shade % 4, 8, 10))
    image.paste((240, 230, 220), (2 + shade % 3, 2, 5 + shade % 3, 6))
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BILINEAR).save(out, "JPEG", quality=70)
    return out.getvalue()


def video(platform: str, handle: str, code: str, seconds: float) -> bytes:
    """A minimal MP4 container: its movie header gives the length, its user data the mark."""
    brand = _box(b"ftyp", b"isom" + struct.pack(">I", 512) + b"isomiso2mp41")
    header = struct.pack(">IIIII", 0, 0, 0, _TIMESCALE, round(seconds * _TIMESCALE))
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    movie_header = _box(
        b"mvhd", header + struct.pack(">IH10x", 0x10000, 0x100) + matrix + b"\0" * 24 + struct.pack(">I", 2)
    )
    user_data = _box(b"udta", _mark(platform, handle, code, seconds))
    return brand + _box(b"moov", movie_header + user_data) + _box(b"mdat", b"\0" * 1024)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _mark(platform: str, handle: str, code: str, seconds: float) -> bytes:
    return f"sandbox-media:{platform}:{handle}:{code}:{seconds};".encode()


def read_mark(body: bytes) -> MediaMark | None:
    """The mark inside uploaded bytes, or None when they were not generated here."""
    found = _MARK.search(body[:200_000])
    if found is None:
        return None
    platform, handle, code, seconds = (part.decode() for part in found.groups())
    return MediaMark(platform, handle, code, float(seconds))


def movie_seconds(body: bytes) -> float | None:
    """The length an MP4's movie header gives, or None when there is none."""
    start = body.find(b"mvhd")
    if start < 0 or len(body) < start + 24:
        return None
    fields: tuple[Any, ...] = struct.unpack(">IIIII", body[start + 4 : start + 24])
    version_and_flags, _, _, timescale, duration = fields
    return None if version_and_flags >> 24 or not timescale else duration / timescale


def size_of_picture(body: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG, GIF or WEBP from its header, or None when it is none of these."""
    try:
        with Image.open(io.BytesIO(body)) as image:
            return image.size
    except (OSError, ValueError):
        return None
