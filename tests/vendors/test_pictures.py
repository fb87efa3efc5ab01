"""Facts about decoding and composing pictures (spec 7.3, 9.2, I-64)."""

import io
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from socialanalyzer_dagster.vendors import images
from socialanalyzer_dagster.vendors.images import (
    ImageRefusedError,
    bio_lines,
    evidence_grid,
    read_picture,
    triage_picture,
)

RED = (220, 20, 20)
GREY = (200, 200, 200)


def encoded(image_format: str, size=(640, 480), color=RED) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, color).save(target, image_format)
    return target.getvalue()


def pixel(picture, x, y):
    with Image.open(io.BytesIO(picture.data)) as image:
        return image.convert("RGB").getpixel((x, y))


def is_near(one, other):
    return all(abs(a - b) < 8 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_four_formats_are_read(image_format):
    picture = read_picture(encoded(image_format))
    assert (picture.width, picture.height, picture.content_type) == (640, 480, f"image/{image_format.lower()}")


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"GIF89a", encoded("BMP"), encoded("TIFF"), encoded("PNG")[:20]])
def test_other_formats_and_damaged_files_are_refused(data):
    with pytest.raises(ImageRefusedError):
        read_picture(data)


def test_a_picture_with_more_than_forty_megapixels_is_refused_before_it_is_decoded():
    target = io.BytesIO()
    Image.new("1", (8000, 5001)).save(target, "PNG")
    with pytest.raises(ImageRefusedError, match="too many pixels"):
        read_picture(target.getvalue())
    assert is_near(pixel(evidence_grid([target.getvalue()]), 200, 200), GREY)


def moving(image_format: str) -> bytes:
    target = io.BytesIO()
    first, *others = (Image.new("RGB", (64, 48), (shade, 20, 20)) for shade in (20, 120, 220))
    first.save(target, image_format, save_all=True, append_images=others)
    return target.getvalue()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_truncated_picture_is_never_sent_to_a_model(image_format):
    whole = encoded(image_format)
    with pytest.raises(ImageRefusedError):
        read_picture(whole[: len(whole) // 2])


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_of_an_animated_picture_only_the_first_frame_is_ever_used(image_format):
    with pytest.raises(ImageRefusedError, match="animated"):
        read_picture(moving(image_format))
    assert pixel(evidence_grid([moving(image_format)]), 200, 200)[0] < 60


def test_a_jpeg_with_a_second_view_inside_stays_a_jpeg():
    assert read_picture(moving("MPO")).content_type == "image/jpeg"


@pytest.mark.parametrize(("image_format", "at", "width"), [("PNG", 16, 4), ("GIF", 6, 2)])
def test_a_small_file_that_claims_a_huge_canvas_is_refused(image_format, at, width):
    data = bytearray(encoded(image_format, size=(16, 16)))
    data[at : at + 2 * width] = (60_000).to_bytes(width, "big" if image_format == "PNG" else "little") * 2
    with pytest.raises(ImageRefusedError):
        read_picture(bytes(data))
    assert is_near(pixel(evidence_grid([bytes(data)]), 200, 200), GREY)


def test_a_bomb_between_the_limit_and_the_librarys_own_is_refused_quietly():
    data = bytearray(encoded("PNG", size=(16, 16)))
    data[16:24] = (10_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageRefusedError):
        read_picture(bytes(data))


def test_the_triage_picture_shows_ten_thumbnails_and_grey_where_one_is_missing():
    thumbnails = [encoded("JPEG")] * 9 + [None, encoded("PNG", color=(0, 0, 255))]
    picture = triage_picture(handle="ann", followers=45_210, bio="Hosts retreats", thumbnails=thumbnails)
    assert (picture.width, picture.height, picture.content_type) == (1200, 1600, "image/png")
    assert is_near(pixel(picture, 160, 600), RED)
    assert is_near(pixel(picture, 60 + 4 * 220 + 100, 500 + 220 + 100), GREY)
    assert is_near(pixel(picture, 60 + 210, 600), (255, 255, 255))


def test_the_evidence_grid_has_three_columns_and_four_rows():
    picture = evidence_grid([encoded("WEBP")] * 11 + [b"damaged"])
    assert (picture.width, picture.height, picture.content_type) == (1200, 1600, "image/jpeg")
    assert is_near(pixel(picture, 200, 1400), RED)
    assert is_near(pixel(picture, 1000, 1400), GREY)


def test_equal_inputs_give_equal_pictures():
    facts = {"handle": "ann", "followers": None, "bio": None, "thumbnails": [encoded("JPEG")]}
    assert triage_picture(**facts).sha256 == triage_picture(**facts).sha256


def test_the_triage_picture_is_known_by_its_pixels_however_they_are_packed(monkeypatch):
    facts = {"handle": "ann", "followers": None, "bio": None, "thumbnails": [encoded("JPEG")]}
    packed = triage_picture(**facts)
    monkeypatch.setattr(images.isal_zlib, "compressobj", lambda **_options: zlib.compressobj(0))
    loose = triage_picture(**facts)
    assert len(loose.data) > 10 * len(packed.data)
    assert loose.sha256 == packed.sha256 != triage_picture(**{**facts, "handle": "ben"}).sha256


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (301, 200)])
def test_a_png_of_ours_holds_exactly_the_pixels(size):
    canvas = Image.frombytes("RGB", size, random.Random(7).randbytes(3 * size[0] * size[1]))
    with Image.open(io.BytesIO(images._as_png(canvas).data)) as checked:
        checked.verify()  # lengths and checksums
    with Image.open(io.BytesIO(images._as_png(canvas).data)) as found:
        assert (found.mode, found.size, found.tobytes()) == ("RGB", size, canvas.tobytes())


@settings(max_examples=15, deadline=None)
@given(handle=st.text(max_size=60), bio=st.none() | st.text(max_size=400))
def test_any_text_can_be_drawn(handle, bio):
    assert triage_picture(handle=handle, followers=1, bio=bio, thumbnails=[]).width == 1200


@given(st.none() | st.text())
def test_a_bio_has_at_most_four_lines_that_fit(bio):
    lines = bio_lines(bio)
    assert len(lines) <= 4
    assert all(0 < len(line) <= 72 for line in lines)
