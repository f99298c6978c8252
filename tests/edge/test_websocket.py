"""Following the frames of a WebSocket, however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.websocket import GOING_AWAY, Frames


def frame(opcode: int, size: int, *, masked: bool = False, fin: bool = True) -> bytes:
    """RFC 6455 section 5.2, with a payload that looks like frames."""
    mask = 0x80 if masked else 0
    if size < 126:
        length = bytes([mask | size])
    elif size < 65536:
        length = bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([mask | 127]) + size.to_bytes(8, "big")
    payload = (b"mask" if masked else b"") + (b"\x88\x05" * (size // 2 + 1))[:size]
    return bytes([(0x80 if fin else 0) | opcode]) + length + payload


FRAMES = st.builds(
    frame,
    st.sampled_from([0x0, 0x1, 0x2, 0x9, 0xA]),
    st.sampled_from([0, 1, 2, 124, 125, 126, 127, 300, 65535, 65536, 70000]),
    masked=st.booleans(),
    fin=st.booleans(),
)


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 200_000), max_size=12))
def test_ends_are_known_wherever_the_bytes_are_cut(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frames)
    ends = {0}
    for one in frames:
        ends.add(max(ends) + len(one))
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    following = Frames()
    for start, end in pairwise(edges):
        next_end = min((one for one in ends if one >= start), default=len(data))
        assert following.rest(data[start:end]) == min(next_end, end) - start
        following.follow(data[start:end])
        assert following.between is (end in ends)
    assert not following.closed


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_close_frame_is_seen(cut: int) -> None:
    following = Frames()
    following.follow(frame(1, 3) + GOING_AWAY[:cut])
    assert following.closed
    following.follow(GOING_AWAY[cut:])
    assert following.closed
    assert following.between


def test_what_looks_like_a_close_frame_inside_of_another_is_none() -> None:
    following = Frames()
    following.follow(frame(2, 100)[:50])
    following.follow(frame(2, 100)[50:])
    assert not following.closed


def test_the_farewell_is_a_whole_frame() -> None:
    following = Frames()
    following.follow(GOING_AWAY)
    assert following.between
    assert following.closed
    assert int.from_bytes(GOING_AWAY[2:], "big") == 1001
