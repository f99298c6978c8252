"""The one way in which anything is encrypted here: a random 96-bit nonce, then what AES-256-GCM
makes of it, tag last (NIST SP 800-38D). No key may see more than 2^32 messages (section 8.3)."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_TAG_BYTES = 16
_SHORTEST = _NONCE_BYTES + _TAG_BYTES


def encrypt(cipher: AESGCM, plaintext: bytes, associated: bytes) -> bytes:
    """Twice the same gives different bytes. `associated` is not in them: it must be known again."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, associated)


def decrypt(cipher: AESGCM, content: bytes, associated: bytes) -> bytes | None:
    """What was encrypted with this key and `associated`, or `None`."""
    if len(content) < _SHORTEST:
        return None
    try:
        return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], associated)
    except InvalidTag:
        return None
