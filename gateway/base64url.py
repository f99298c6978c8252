"""Bytes as text that is safe in cookies and URLs: base64url (RFC 4648 section 5), not padded."""

from base64 import b64decode, urlsafe_b64encode


def encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes of exactly a text that `encode` makes, else `None`: of some, base64 has several."""
    try:
        content = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return content if encode(content) == text else None
