"""What is encrypted opens with its key and what it is bound to, whole, and in no other way."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.session.aead import decrypt, encrypt

CIPHER = AESGCM(bytes(32))


@pytest.mark.parametrize("plaintext", [b"", b"x", bytes(range(256)) * 64])
def test_there_and_back(plaintext: bytes) -> None:
    content = encrypt(CIPHER, plaintext, b"of this")
    assert decrypt(CIPHER, content, b"of this") == plaintext
    assert len(content) == len(plaintext) + 28


def test_twice_the_same_is_not_the_same() -> None:
    assert len({encrypt(CIPHER, b"x", b"")[:12] for _ in range(100)}) == 100


def test_bound_to_something_else_or_with_another_key_it_is_nothing() -> None:
    content = encrypt(CIPHER, b"x", b"of this")
    assert decrypt(CIPHER, content, b"of that") is None
    assert decrypt(AESGCM(bytes(31) + b"1"), content, b"of this") is None


def test_cut_or_changed_anywhere_it_is_nothing() -> None:
    content = encrypt(CIPHER, b"some text", b"")
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        assert decrypt(CIPHER, changed, b"") is None
        assert decrypt(CIPHER, content[:at], b"") is None
