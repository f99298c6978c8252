"""Codings: what servers send is read, what attackers send is refused before it is unpacked."""

import gzip
import sys
import time
import tracemalloc
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.coding import (
    LARGEST_PAGE,
    BrokenCoding,
    Coding,
    TooLarge,
    decode,
    encode,
    read_coding,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = b"<!doctype html>\r\n<p>" + b"Sonar \x00\xff " * 500
COMPRESSED = [coding for coding in Coding if coding is not Coding.IDENTITY]


def short(value: object) -> str:
    """An id that is the same in every process and fits on a line."""
    return f"{len(value)}-bytes" if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        ("", Coding.IDENTITY),
        ("identity", Coding.IDENTITY),
        ("gzip", Coding.GZIP),
        ("x-gzip", Coding.GZIP),
        (" GZip\t", Coding.GZIP),
        ("deflate", Coding.DEFLATE),
        ("br", Coding.BROTLI),
        ("BR", Coding.BROTLI),
        ("zstd", Coding.ZSTD),
        ("gzip, br", None),
        ("gzip,gzip", None),
        ("identity, gzip", None),
        ("gzip,", None),
        (",", None),
        ("compress", None),
        ("dcb", None),
        ("gzip;q=1", None),
        ("gz\u0131p", None),
        ("aws-chunked", None),
    ],
)
def test_the_header(value: str, coding: Coding | None) -> None:
    assert read_coding(value) is coding


@pytest.mark.parametrize("coding", Coding)
@given(page=st.binary(max_size=2000))
def test_there_and_back(coding: Coding, page: bytes) -> None:
    assert decode(encode(page, coding), coding) == page


@pytest.mark.parametrize(
    ("sent", "coding"),
    [
        (gzip.compress(PAGE, 9, mtime=0), Coding.GZIP),
        (gzip.compress(PAGE[:100], mtime=0) + gzip.compress(PAGE[100:], mtime=0), Coding.GZIP),
        (gzip.compress(PAGE, mtime=0) + gzip.compress(b"", mtime=0), Coding.GZIP),
        (zlib.compress(PAGE), Coding.DEFLATE),
        (brotli.compress(PAGE, quality=11), Coding.BROTLI),
        (brotli.compress(PAGE, quality=0), Coding.BROTLI),
        (zstd.compress(PAGE, level=19), Coding.ZSTD),
        (zstd.compress(PAGE[:100]) + zstd.compress(PAGE[100:]), Coding.ZSTD),
    ],
    ids=short,
)
def test_what_other_servers_send(sent: bytes, coding: Coding) -> None:
    assert decode(sent, coding) == PAGE


def test_deflate_is_sent_as_zlib_which_every_browser_reads() -> None:
    assert zlib.decompress(encode(PAGE, Coding.DEFLATE)) == PAGE


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_page_cut_off_anywhere_is_broken(coding: Coding) -> None:
    sent = encode(PAGE, coding)
    for size in range(len(sent)):
        with pytest.raises(BrokenCoding):
            decode(sent[:size], coding)


@pytest.mark.parametrize("coding", COMPRESSED)
@pytest.mark.parametrize("junk", [b"\x00", b"junk", b"<p>"])
def test_bytes_after_the_end_are_broken(coding: Coding, junk: bytes) -> None:
    with pytest.raises(BrokenCoding):
        decode(encode(PAGE, coding) + junk, coding)


@pytest.mark.parametrize("coding", COMPRESSED)
@given(junk=st.binary(max_size=300))
def test_junk_never_raises_anything_else(coding: Coding, junk: bytes) -> None:
    try:
        decoded = decode(junk, coding)
    except BrokenCoding:
        return
    assert len(decoded) <= LARGEST_PAGE


@pytest.mark.parametrize(
    ("sent", "coding"),
    [
        (PAGE, Coding.GZIP),
        (zlib.compress(PAGE), Coding.GZIP),
        (zlib.compress(PAGE)[2:-4], Coding.DEFLATE),
        (gzip.compress(PAGE, mtime=0), Coding.BROTLI),
        (gzip.compress(PAGE, mtime=0), Coding.ZSTD),
        (gzip.compress(PAGE, mtime=0)[:-8] + bytes(8), Coding.GZIP),
    ],
    ids=short,
)
def test_what_is_not_in_its_coding_is_broken(sent: bytes, coding: Coding) -> None:
    with pytest.raises(BrokenCoding):
        decode(sent, coding)


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("fill", [b"\0", b"page "])
def test_the_limit_is_exact(coding: Coding, fill: bytes) -> None:
    largest = (fill * LARGEST_PAGE)[:LARGEST_PAGE]
    assert decode(encode(largest, coding), coding) == largest
    with pytest.raises(TooLarge):
        decode(encode(largest + b"x", coding), coding)


def bomb(coding: Coding) -> bytes:
    """256 MiB in a few hundred KiB or less."""
    size = 256 * 1024 * 1024
    if coding is Coding.GZIP:
        member = gzip.compress(bytes(1024 * 1024), mtime=0)
        return member * 256
    if coding is Coding.DEFLATE:
        packer = zlib.compressobj(9)
        return b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(256)) + packer.flush()
    if coding is Coding.BROTLI:
        return bytes(brotli.compress(bytes(size), quality=1))
    return zstd.compress(bytes(size), level=1)


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_bomb_is_not_unpacked(coding: Coding) -> None:
    sent = bomb(coding)
    assert len(sent) < 1024 * 1024
    tracemalloc.start()
    began = time.thread_time()
    with pytest.raises(TooLarge):
        decode(sent, coding)
    spent = time.thread_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LARGEST_PAGE
    assert spent < 1.0


def test_a_zstd_frame_that_wants_much_memory_is_refused() -> None:
    options = {int(zstd.CompressionParameter.window_log): 27}
    sent = zstd.compress(PAGE * 100, options=options)
    packer = zstd.ZstdCompressor(options=options)
    streamed = packer.compress(PAGE * 100) + packer.flush()
    assert decode(sent, Coding.ZSTD) == PAGE * 100  # its size is known, so its window is small
    with pytest.raises(BrokenCoding):
        decode(streamed, Coding.ZSTD)
