"""What is read in one go grows with what comes, and shrinks with who cannot take it."""

import pytest

from gateway.edge.receiver import Receiver

_SMALLEST, _LARGEST = 64 * 1024, 1024 * 1024


class _Kept(Receiver):
    def __init__(self) -> None:
        super().__init__()
        self.came: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.came.append(data)


def _read(receiver: Receiver, data: bytes) -> None:
    """What the event loop does when `data` waits in the socket."""
    while data:
        room = receiver.get_buffer(-1)
        size = min(len(room), len(data))
        room[:size] = data[:size]
        receiver.buffer_updated(size)
        data = data[size:]


def test_each_read_that_fills_its_piece_is_followed_by_one_of_twice_the_size() -> None:
    receiver = _Kept()
    sent = bytes(range(256)) * (16 * 1024)
    _read(receiver, sent)
    sizes = [len(piece) for piece in receiver.came]
    assert sizes[:5] == [_SMALLEST << doubled for doubled in range(5)]
    assert max(sizes) == _LARGEST
    assert b"".join(receiver.came) == sent


@pytest.mark.parametrize("size", [1, 1000, _SMALLEST - 1])
def test_what_comes_in_little_is_read_in_little(size: int) -> None:
    receiver = _Kept()
    for _ in range(50):
        _read(receiver, bytes(size))
    assert len(receiver.get_buffer(-1)) == _SMALLEST


def test_who_falls_behind_holds_the_smallest_piece_again() -> None:
    receiver = _Kept()
    _read(receiver, bytes(2 * _LARGEST))
    assert len(receiver.get_buffer(-1)) == _LARGEST
    receiver.fell_behind()
    assert len(receiver.get_buffer(-1)) == _SMALLEST


def test_what_one_was_given_does_not_change_when_another_reads() -> None:
    jo, sam = _Kept(), _Kept()
    _read(jo, b"for Jo alone")
    _read(sam, b"and this for Sam")
    _read(jo, b"more")
    assert jo.came == [b"for Jo alone", b"more"]
    assert sam.came == [b"and this for Sam"]
