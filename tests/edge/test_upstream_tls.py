"""TLS contexts from files: what cannot be used, and what changes."""

import ssl
from pathlib import Path

import pytest

from gateway.config import Upstream
from gateway.edge.upstream_tls import Contexts, to_upstream
from gateway.errors import CannotStart
from gateway.settings.upstream import UpstreamTls
from tests.certificates import Authority
from tests.session.samples import Clock


def contexts(clock: Clock, **files: Path) -> Contexts:
    return to_upstream(UpstreamTls(**files), clock)


def subjects(context: ssl.SSLContext) -> list[object]:
    return [certificate["subject"] for certificate in context.get_ca_certs()]


def test_it_is_always_verified(tmp_path: Path) -> None:
    for given in (contexts(Clock()), contexts(Clock(), ca=Authority(tmp_path).file)):
        assert given.current.verify_mode is ssl.CERT_REQUIRED
        assert given.current.check_hostname


def test_an_authority_of_ones_own_is_the_only_one(tmp_path: Path) -> None:
    own = contexts(Clock(), ca=Authority(tmp_path, "own").file)
    assert subjects(own.current) == [((("commonName", "own"),),)]


def test_a_changed_file_counts_within_a_second(tmp_path: Path) -> None:
    clock = Clock()
    ca = Authority(tmp_path, "old").file
    own = contexts(clock, ca=ca)
    old = own.current
    assert own.current is old
    Authority(tmp_path, "new").file.rename(ca)
    clock.pass_by(1.0)
    assert own.current is not old
    assert subjects(own.current) == [((("commonName", "new"),),)]


def test_a_link_turned_elsewhere_is_a_change(tmp_path: Path) -> None:
    """This is how Kubernetes renews a secret."""
    clock = Clock()
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        Authority(tmp_path / name, "ca")
    data = tmp_path / "data"
    data.symlink_to("old")
    own = contexts(clock, ca=data / "ca.pem")
    before = own.current
    (tmp_path / "turned").symlink_to("new")
    (tmp_path / "turned").rename(data)
    clock.pass_by(1.0)
    assert own.current is not before


def test_what_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    ca = Authority(tmp_path).file
    own = contexts(clock, ca=ca)
    good, content = own.current, ca.read_bytes()
    ca.write_bytes(content[: len(content) // 2])
    clock.pass_by(1.0)
    assert own.current is good
    ca.unlink()
    clock.pass_by(1.0)
    assert own.current is good
    ca.write_bytes(content)
    clock.pass_by(1.0)
    assert own.current is not good


def test_the_start_says_what_is_wrong(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = authority.issue("a", file="a"), authority.issue("b", file="b")
    with pytest.raises(CannotStart, match=r"upstream\.tls: .*No such file"):
        contexts(Clock(), ca=tmp_path / "none.pem")
    with pytest.raises(CannotStart, match=r"upstream\.tls: .*MISMATCH"):
        contexts(Clock(), certificate=one.certificate, key=other.key)


def test_a_certificate_has_a_key() -> None:
    with pytest.raises(ValueError, match="certificate and key go together"):
        UpstreamTls(certificate=Path("a.pem"))


def test_tls_settings_need_https() -> None:
    with pytest.raises(ValueError, match="tls is for a url that begins with https:"):
        Upstream(url="http://sonar", tls=UpstreamTls(ca=Path("a.pem")))
