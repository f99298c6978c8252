"""Every request: bytes in -> decision -> bytes out."""
