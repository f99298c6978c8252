"""What is sent in a measurement is what it says, and is answered so by the real gateway."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import OTHER_EACH_TIME
from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.rounds.connections import half_done, opened_with_tls
from bench.rounds.rejected import check, kinds_of
from bench.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def test_what_is_rejected_is_rejected_as_it_says(stage: Stage) -> None:
    proxy = gateway.start(stage, stage.pages)
    kinds = kinds_of(proxy)
    before = stage.upstream_requests()
    for kind in kinds:
        check(proxy, kind)
    served = [kind for kind in kinds if kind.beside is None]
    assert stage.upstream_requests() - before == len(served)
    names = {kind.name for kind in kinds}
    assert {kind.beside for kind in kinds} - {None} <= names
    for kind in kinds:
        assert ("another" in kind.name) is (OTHER_EACH_TIME in kind.request), kind.name


def test_connections_with_tls_and_half_done_ones_to_plain_python(stage: Stage) -> None:
    proxy = gateway.start(stage, stage.pages, Variant(tls=True, code="pure"))
    assert proxy.version.endswith("(python)")
    with opened_with_tls(proxy) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.version() == "TLSv1.3"
    # Answered with a handshake record, or it says that it was not.
    half_done(proxy).close()
