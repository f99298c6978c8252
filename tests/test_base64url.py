"""base64url, one text for each content."""

import pytest

from gateway.base64url import decode, encode


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff\xfe", "-__-")],
)
def test_there_and_back(content: bytes, text: str) -> None:
    assert encode(content) == text
    assert decode(text) == content


@pytest.mark.parametrize("text", ["Zg==", "Zh", "Z", "+//+", "Zm9v\n", "Zm 9v", "é", "Zm9v="])
def test_no_other_text_is_taken_for_it(text: str) -> None:
    assert decode(text) is None
