"""What a failed handshake says, without a network."""

import errno
import socket
import ssl
from pathlib import Path
from typing import NoReturn

import pytest

from gateway.edge.handshake import HandshakeFailed, Speaking, SpeakingContext, held
from tests.certificates import make_pair


class Handshake:
    """Our side of one."""

    def __init__(self, folder: Path) -> None:
        make_pair().write(folder)
        context = SpeakingContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ours: Speaking = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def hears(self, data: bytes) -> HandshakeFailed:
        self.incoming.write(data)
        with pytest.raises(HandshakeFailed) as caught:
            self.ours.do_handshake()
        return caught.value


@pytest.fixture
def handshake(tmp_path: Path) -> Handshake:
    return Handshake(tmp_path)


def test_an_alert_goes_with_the_error(handshake: Handshake) -> None:
    failed = handshake.hears(b"\x16\x03\x01\x00\x05hello")
    assert failed.alert == b"\x15\x03\x03\x00\x02\x02\x0a"
    assert not failed.plain_http
    assert "UNEXPECTED_MESSAGE" in str(failed)
    assert handshake.outgoing.read() == b""


@pytest.mark.parametrize(
    ("said", "plain_http"), [(b"GET / HTTP/1.1\r\n", True), (b"SSH-2.0-OpenSSH\r\n", False)]
)
def test_no_alert_for_who_speaks_something_else(
    handshake: Handshake, said: bytes, plain_http: bool
) -> None:
    failed = handshake.hears(said)
    assert (failed.alert, failed.plain_http) == (b"", plain_http)


def test_half_a_hello_is_waited_for(handshake: Handshake) -> None:
    handshake.incoming.write(b"\x16\x03\x01\x02\x00\x01")
    with pytest.raises(ssl.SSLWantReadError):
        handshake.ours.do_handshake()


def test_a_second_hold_lasts(tmp_path: Path) -> None:
    one, other = socket.socketpair()
    with other, held(one) as second:
        assert second is not None
        one.close()
        second.send(b"x")
        assert other.recv(1) == b"x"
    assert second.fileno() == -1


class Full(socket.socket):
    """As when the process has no descriptor left."""

    error = errno.EMFILE

    def dup(self) -> NoReturn:
        raise OSError(self.error, "dup")


def test_without_a_descriptor_there_is_no_second_hold() -> None:
    with Full() as sock:
        with held(sock) as second:
            assert second is None
        sock.error = errno.EBADF
        with pytest.raises(OSError, match="dup"), held(sock):
            pass
