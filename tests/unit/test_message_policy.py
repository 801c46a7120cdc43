"""What a user may send as a message."""

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.domains.conversations.policy import (
    MAX_IMAGE_BYTES,
    MAX_MESSAGE_CHARS,
    MAX_PARTS,
    ImageDraft,
    PartDraft,
    message_content,
)
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.ports.content import ImagePart, TextPart

PNG = b"\x89PNG\r\n\x1a\n"
ADDRESS = "https://example.com/cat.png"


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def refused_path(text: str | None, *drafts: PartDraft) -> tuple[str, ...]:
    with pytest.raises(InvalidInputError) as refusal:
        message_content(text, drafts)
    return refusal.value.path


def test_text_comes_first_and_parts_follow_in_order() -> None:
    drafts = (ImageDraft(ADDRESS), TextPart("and"), ImageDraft(data_uri(PNG)))
    assert message_content("Look", drafts) == (
        TextPart("Look"),
        ImagePart("image/*", url=ADDRESS),
        TextPart("and"),
        ImagePart("image/png", data=b64encode(PNG).decode()),
    )
    assert message_content(None, drafts[:1]) == (ImagePart("image/*", url=ADDRESS),)
    assert message_content(" Hi ", ()) == (TextPart(" Hi "),)


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/png", PNG),
        ("image/jpeg", b"\xff\xd8\xff\xe0"),
        ("image/gif", b"GIF89a"),
        ("image/webp", b"RIFF\x00\x00\x00\x00WEBP"),
    ],
)
def test_images_are_what_they_claim_to_be(media_type: str, data: bytes) -> None:
    part = message_content(None, (ImageDraft(data_uri(data, media_type)),))[0]
    assert isinstance(part, ImagePart)
    assert part.source == data_uri(data, media_type)
    for other in {"image/png", "image/jpeg", "image/gif", "image/webp"} - {media_type}:
        assert refused_path(None, ImageDraft(data_uri(data, other))) == ("parts", "0", "image", "url")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cat.png",
        "http://example.com/cat.png",
        "ftp://example.com/cat.png",
        "file:///etc/passwd",
        "https://",
        "https://[",
        "https://example.com:99999999/",
        "https://user:secret@example.com/cat.png",
        "https://localhost/cat.png",
        "https://intranet/cat.png",
        "https://printer.local/cat.png",
        "https://127.0.0.1/cat.png",
        "https://10.0.0.1/cat.png",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/cat.png",
        "https://0x7f.1/cat.png",
        "https://[::1]/cat.png",
        "https://example.com/a b",
        "https://example.com/\u202e",
        f"{ADDRESS}?{'x' * 2_048}",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PHN2Zz4=",
        "data:image/png,abc",
        "data:image/png;base64,@@@@",
        "data:image/png;base64,",
        data_uri(PNG + b"x" * MAX_IMAGE_BYTES),
    ],
)
def test_other_addresses_are_refused_and_the_field_is_named(url: str) -> None:
    assert refused_path("Look", TextPart("a"), ImageDraft(url)) == ("parts", "1", "image", "url")


def test_bounds_hold_for_the_whole_message() -> None:
    assert refused_path(None) == ("text",)
    assert refused_path(" ") == ("text",)
    assert refused_path("Hi", *[ImageDraft(ADDRESS)] * (MAX_PARTS + 1)) == ("parts",)
    assert refused_path("x" * MAX_MESSAGE_CHARS, TextPart("y")) == ("parts", "0", "text")
    assert refused_path("Hi", TextPart(" ")) == ("parts", "0", "text")
    half = ImageDraft(data_uri(PNG + b"x" * (MAX_IMAGE_BYTES // 2)))
    assert refused_path("Hi", half, half) == ("parts", "1", "image", "url")
    assert len(message_content("Hi", (ImageDraft(data_uri(PNG.ljust(MAX_IMAGE_BYTES, b"x"))),))) == 2


@given(st.text() | st.text().map(lambda text: f"https://{text}") | st.text().map(lambda text: f"data:{text}"))
def test_any_address_is_an_image_or_refused(url: str) -> None:
    with suppress(InvalidInputError):
        (part,) = message_content(None, (ImageDraft(url),))
        assert isinstance(part, ImagePart)
