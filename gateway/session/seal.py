"""Authenticated encryption for what a browser carries for us and must neither read nor change.

    <key id: 16>.<base64url of what aead.py makes>

Each (purpose, thing it is bound to) has a key of its own, derived from the root: a sealed value
opened for another purpose, session or cookie name is noise, and no key ever comes near the 2^32
messages that random 96-bit nonces allow (NIST SP 800-38D section 8.3). Purpose and binding are in
the associated data as well.
"""

import re

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.base64url import decode, encode
from gateway.session.aead import decrypt, encrypt
from gateway.session.keys import KEY_ID, KeyRing

_SEALED = re.compile(rf"({KEY_ID})\.([A-Za-z0-9_-]+)", re.ASCII)
# No header a browser sends us is longer; what is must not cost a decryption.
_LONGEST_TEXT = 65536


class Sealer:
    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def seal(self, purpose: str, bound_to: str, plaintext: bytes) -> str:
        """Encrypt; the text is safe in cookies and URLs. Twice the same gives different texts."""
        key_id = self._keys.root_id
        cipher = self._cipher(key_id, purpose, bound_to)
        if cipher is None:
            raise LookupError("the current root key is not in its own ring")
        sealed = encrypt(cipher, plaintext, _associated(purpose, bound_to))
        return f"{key_id}.{encode(sealed)}"

    def open(
        self, purpose: str, bound_to: str, sealed: str, lives: float | None = None
    ) -> bytes | None:
        """What was sealed for exactly this purpose and binding, or `None`. `lives`: how many
        seconds it is good for, a session's unless said: whoever steals a key that is retired for
        longer has nothing to seal with it."""
        if len(sealed) > _LONGEST_TEXT or (found := _SEALED.fullmatch(sealed)) is None:
            return None
        content = decode(found[2])
        cipher = self._cipher(found[1], purpose, bound_to, lives)
        if content is None or cipher is None:
            return None
        return decrypt(cipher, content, _associated(purpose, bound_to))

    def _cipher(
        self, key_id: str, purpose: str, bound_to: str, lives: float | None = None
    ) -> AESGCM | None:
        key = self._keys.bound_key(key_id, f"seal {purpose}", bound_to, lives)
        return None if key is None else AESGCM(key)


def _associated(purpose: str, bound_to: str) -> bytes:
    """Both, told apart by the length of the first: `a` + `bc` is not `ab` + `c`."""
    first = purpose.encode()
    return len(first).to_bytes(4, "big") + first + bound_to.encode()
