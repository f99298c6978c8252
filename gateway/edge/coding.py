"""Content codings (RFC 9110 section 8.4.1): a whole page out of its coding and back into it. Pure.

Sizes are bounded while decoding, not after: a page of 4 KiB can claim to be 4 GiB (a
decompression bomb).
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# The largest legacy page worth a fragment, decoded. Sign-in and profile pages are 10 to 200 KiB.
LARGEST_PAGE = 4 * 1024 * 1024

# Servers write one member, some a second when they flush; a page of a hundred thousand empty ones
# would keep us busy for minutes.
_MOST_MEMBERS = 16

# A page is encoded once for one browser, so speed counts more than the last percent of size.
_GZIP_LEVEL = 5
_BROTLI_QUALITY = 4
_ZSTD_LEVEL = 3
# RFC 9659: a zstd coding on the web uses windows up to 8 MiB; more is an attack on our memory.
_ZSTD_WINDOW_LOG = 23
_GZIP_WBITS = 31
_ZLIB_WBITS = 15


class Coding(StrEnum):
    """A content coding this gateway reads and writes. `deflate` is the zlib format (RFC 9110)."""

    IDENTITY = "identity"
    GZIP = "gzip"
    DEFLATE = "deflate"
    BROTLI = "br"
    ZSTD = "zstd"


_CODINGS: Mapping[str, Coding] = {
    **{coding.value: coding for coding in Coding},
    "": Coding.IDENTITY,
    "x-gzip": Coding.GZIP,  # RFC 9110 section 8.4.1.3: equivalent
}


class BrokenCoding(ValueError):
    """The bytes are not what their coding says, stop too early, or go on after the end."""


class TooLarge(ValueError):
    """Decoded, the page is larger than `LARGEST_PAGE`."""


def read_coding(content_encoding: str) -> Coding | None:
    """The value of Content-Encoding, `""` without one, as a coding; `None` for all others.

    Several codings on top of each other are one of the others: no legacy server does it, and
    whoever does it may want two programs to see two different pages.
    """
    return _CODINGS.get(content_encoding.strip(" \t").lower())


def decode(page: bytes, coding: Coding) -> bytes:
    """The page without its coding; raises `BrokenCoding` or `TooLarge`."""
    match coding:
        case Coding.IDENTITY:
            return _bounded(page)
        case Coding.GZIP:
            return _decode_members(page, _gzip_member)
        case Coding.DEFLATE:
            return _decode_zlib(page)
        case Coding.BROTLI:
            return _decode_brotli(page)
        case Coding.ZSTD:
            return _decode_members(page, _zstd_frame)


def encode(page: bytes, coding: Coding) -> bytes:
    """The page in this coding."""
    match coding:
        case Coding.IDENTITY:
            return page
        case Coding.GZIP:
            return _encode_zlib(page, _GZIP_WBITS)
        case Coding.DEFLATE:
            return _encode_zlib(page, _ZLIB_WBITS)
        case Coding.BROTLI:
            return bytes(brotli.compress(page, quality=_BROTLI_QUALITY))
        case Coding.ZSTD:
            return zstd.compress(page, level=_ZSTD_LEVEL)


def _bounded(decoded: bytes) -> bytes:
    if len(decoded) > LARGEST_PAGE:
        raise TooLarge
    return decoded


class _Decoder(Protocol):
    """What zlib's and zstd's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = ...) -> bytes: ...


def _gzip_member() -> _Decoder:
    return zlib.decompressobj(_GZIP_WBITS)


def _zstd_frame() -> _Decoder:
    return zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    )


def _decode_members(page: bytes, member: Callable[[], _Decoder]) -> bytes:
    """A gzip file has one or more members (RFC 1952 section 2.2), zstd one or more frames."""
    decoded: list[bytes] = []
    room = LARGEST_PAGE + 1
    rest = page
    for _ in range(_MOST_MEMBERS):
        decoder = member()
        try:
            decoded.append(decoder.decompress(rest, max_length=room))
        except (zlib.error, zstd.ZstdError) as error:
            raise BrokenCoding from error
        room -= len(decoded[-1])
        if room <= 0:
            raise TooLarge
        if not decoder.eof:
            raise BrokenCoding
        rest = decoder.unused_data
        if not rest:
            return b"".join(decoded)
    raise BrokenCoding


def _decode_zlib(page: bytes) -> bytes:
    decoder = zlib.decompressobj(_ZLIB_WBITS)
    try:
        decoded = decoder.decompress(page, LARGEST_PAGE + 1)
    except zlib.error as error:
        raise BrokenCoding from error
    _bounded(decoded)
    if not decoder.eof or decoder.unused_data:
        raise BrokenCoding
    return decoded


def _decode_brotli(page: bytes) -> bytes:
    decoder = brotli.Decompressor()
    decoded = bytearray()
    rest = page
    try:
        while True:
            room = LARGEST_PAGE + 1 - len(decoded)
            decoded += decoder.process(rest, output_buffer_limit=room)
            if len(decoded) > LARGEST_PAGE:
                raise TooLarge
            if decoder.can_accept_more_data():
                break
            rest = b""
    except brotli.error as error:
        raise BrokenCoding from error
    if not decoder.is_finished():
        raise BrokenCoding
    return bytes(decoded)


def _encode_zlib(page: bytes, wbits: int) -> bytes:
    encoder = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, wbits)
    return encoder.compress(page) + encoder.flush()
