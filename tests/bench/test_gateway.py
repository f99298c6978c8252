"""The gateway that is measured is the real one, with a session it accepts and all that costs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import ask
from bench.process import CannotMeasure
from bench.proxies import Proxy, gateway
from bench.proxies.gateway import Variant
from bench.requests import page_request
from bench.stage import Stage, staged
from bench.upstream.pages import BODY


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def access_log(proxy: Proxy, stage: Stage) -> list[dict[str, object]]:
    file = stage.folder / f"gateway-{proxy.port}" / "access.log"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_somebody_is_signed_in_and_upstream_answers(stage: Stage) -> None:
    proxy = gateway.start(stage, stage.pages)
    before = stage.upstream_requests()
    reply = ask(proxy, proxy.request)
    assert reply.startswith(b"HTTP/1.1 200")
    assert reply.endswith(b"\r\n\r\n" + BODY)
    assert stage.upstream_requests() - before == 1
    assert ask(proxy, page_request(proxy.port, "")).startswith(b"HTTP/1.1 302")
    assert stage.upstream_requests() - before == 1
    # It writes its log when it is stopped, at the latest.
    stage.stop(proxy.program)
    served, refused = access_log(proxy, stage)
    assert (served["status"], served["kind"]) == (200, "identity")
    assert (refused["status"], refused["kind"]) == (302, "sign_in")


def test_what_the_configuration_does_not_know_is_told(stage: Stage) -> None:
    with pytest.raises(CannotMeasure, match=r"server\.workers"):
        gateway.start(stage, stage.pages, Variant(server=(("workers", 0),)))
