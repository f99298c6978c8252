"""How a secret might be spelled where it must not be."""

from base64 import b64encode, urlsafe_b64encode


def spellings(material: bytes) -> list[str]:
    """Text of which none may be in what anybody reads: the secret, and of a signing key in DER also
    its private number alone, in hex, as both base64, and as `repr` shows bytes."""
    # Where PKCS 8 of a P-256 key has it (RFC 5915); a root key is shorter than that.
    parts = [material, material[36:68]] if len(material) > 68 else [material]
    found: list[str] = []
    for part in parts:
        found += [part.hex(), part.hex().upper(), repr(part)[2:-1]]
        for text in (b64encode(part).decode(), urlsafe_b64encode(part).decode()):
            # The last letters depend on what follows.
            found.append(text.rstrip("=")[:-2])
    return found
