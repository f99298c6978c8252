"""The listener's certificate: which pairs are usable, and how a new one comes into force."""

import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.config import Tls
from gateway.edge import certificate as module
from gateway.edge.certificate import Certificate, Certificates, load_certificate
from gateway.errors import CannotStart
from gateway.operate.metrics import Counters
from tests.certificates import Pair, make_pair
from tests.session.samples import until


def files(folder: Path) -> Tls:
    return Tls.model_validate(
        {"certificate": "tls.crt", "key": "tls.key"}, context={"base": folder}
    )


def loaded(folder: Path) -> Certificate:
    found = load_certificate(files(folder))
    assert isinstance(found, Certificate), found
    return found


def test_a_pair(tmp_path: Path) -> None:
    make_pair("Sonar.example", "*.sonar.example", "192.0.2.1", days=30).write(tmp_path)
    found = loaded(tmp_path)
    assert found.names == ("sonar.example", "*.sonar.example", "192.0.2.1")
    assert abs(found.expires - time.time() - 30 * 86400) < 60
    assert found.wrong(time.time()) is None


def test_one_file_for_both(tmp_path: Path) -> None:
    pair = make_pair()
    (tmp_path / "both.pem").write_bytes(pair.key + pair.certificate)
    both = {"certificate": str(tmp_path / "both.pem"), "key": str(tmp_path / "both.pem")}
    assert isinstance(load_certificate(Tls.model_validate(both)), Certificate)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("sonar.example", True),
        ("SONAR.example", True),
        ("a.sonar.example", True),
        ("a.b.sonar.example", False),
        ("xsonar.example", False),
        ("example", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
        ("", False),
    ],
)
def test_whom_it_is_for(tmp_path: Path, host: str, covered: bool) -> None:
    names = ("sonar.example", "*.sonar.example", "192.0.2.1", "2001:db8::1")
    make_pair(*names).write(tmp_path)
    assert loaded(tmp_path).covers(host) is covered


@pytest.mark.parametrize(
    ("days", "since", "wrong"), [(-1, -2, "expired on 20"), (2, 1, "not valid before 20")]
)
def test_out_of_its_time(tmp_path: Path, days: int, since: int, wrong: str) -> None:
    make_pair(days=days, since=since).write(tmp_path)
    told = loaded(tmp_path).wrong(time.time())
    assert told is not None
    assert told.startswith(wrong)


GOOD, OTHER = make_pair(), make_pair()


@pytest.mark.parametrize(
    ("certificate", "key", "wrong"),
    [
        (None, GOOD.key, "tls.crt cannot be read: No such file"),
        (GOOD.certificate, None, "tls.key cannot be read: No such file"),
        (GOOD.certificate, OTHER.key, "are no pair: KEY_VALUES_MISMATCH"),
        (GOOD.certificate, make_pair(password=b"secret").key, "is encrypted"),
        (b"", GOOD.key, "tls.crt holds no certificate"),
        (GOOD.certificate, b"", "tls.key holds no private key"),
        (b"garbage", GOOD.key, "tls.crt holds no certificate"),
        (GOOD.key, GOOD.key, "tls.crt holds no certificate"),
        (GOOD.certificate, GOOD.certificate, "tls.key holds no private key"),
        (GOOD.certificate[:-100], GOOD.key, "tls.crt holds no certificate"),
        (GOOD.certificate, GOOD.key[:-100], "tls.key holds no private key"),
        (OTHER.certificate + GOOD.certificate, GOOD.key, "are no pair: KEY_VALUES_MISMATCH"),
    ],
    # Not the keys themselves, which are others in each process that runs a part of the tests.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable(tmp_path: Path, certificate: bytes | None, key: bytes | None, wrong: str) -> None:
    for name, content in {"tls.crt": certificate, "tls.key": key}.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    told = load_certificate(files(tmp_path))
    assert isinstance(told, str)
    assert wrong in told


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").mkdir()
    assert "Is a directory" in str(load_certificate(files(tmp_path)))


def test_no_start_without_a_usable_pair(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"server\.tls: .*cannot be read"):
        Certificates(files(tmp_path), Counters()).load()


def test_an_expired_one_is_better_than_none_at_start(tmp_path: Path) -> None:
    make_pair(days=-1, since=-2).write(tmp_path)
    certificates = Certificates(files(tmp_path), Counters())
    with capture_logs() as said:
        certificates.load()
    assert certificates.current.wrong(time.time())
    assert [entry["event"] for entry in said] == ["certificate_invalid"]


# Reloading. A Kubernetes secret is a folder of symlinks through `..data`, which is swapped.


class Secret:
    """A mounted Kubernetes secret."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(Path("..data") / name)

    def update(self, pair: Pair) -> None:
        self._version += 1
        made = self.folder / f"..version{self._version}"
        made.mkdir()
        (made / "tls.crt").write_bytes(pair.certificate)
        (made / "tls.key").write_bytes(pair.key)
        (self.folder / "..tmp").symlink_to(made.name)
        (self.folder / "..tmp").rename(self.folder / "..data")


class Watched:
    def __init__(self, folder: Path) -> None:
        self.secret = Secret(folder)
        self.counters = Counters()
        self.certificates = Certificates(files(folder), self.counters)
        self.secret.update(make_pair("first.example"))
        self.certificates.load()
        self.certificates.start()

    def shows(self, name: str) -> bool:
        return self.names == (name,)

    def looked(self, before: int) -> bool:
        """Whether it has looked since then."""
        return self.certificates._looks > before

    @property
    def names(self) -> tuple[str, ...]:
        return self.certificates.current.names


@pytest.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.02)
    made = Watched(tmp_path)
    yield made
    await made.certificates.stop()


async def test_a_new_secret(watched: Watched) -> None:
    for number in range(3):
        new = make_pair(f"{number}.example", days=100 + number)
        watched.secret.update(new)
        await until(partial(watched.shows, f"{number}.example"))
    assert watched.counters.certificate_reloads_ok == 4
    assert watched.counters.certificate_reloads_failed == 0
    assert watched.counters.certificate_expires_at == watched.certificates.current.expires


async def test_files_written_in_place(watched: Watched, tmp_path: Path) -> None:
    """certbot and acme.sh write or move one file after the other."""
    new = make_pair("new.example")
    (tmp_path / "..data" / "tls.crt").write_bytes(new.certificate)
    (tmp_path / "..data" / "tls.key").write_bytes(new.key)
    await until(lambda: watched.names == ("new.example",))


BAD = {
    "mismatch": Pair(make_pair("bad.example").certificate, GOOD.key),
    "garbage": Pair(b"garbage", b"garbage"),
    "empty": Pair(b"", b""),
    "expired": make_pair(days=-1, since=-2),
    "early": make_pair(days=3, since=2),
    "encrypted": make_pair(password=b"x"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_pair_changes_nothing(watched: Watched, name: str) -> None:
    with capture_logs() as said:
        watched.secret.update(BAD[name])
        await until(lambda: watched.counters.certificate_reloads_failed == 1)
        # said once, not at every look
        looks = watched.certificates._looks
        await until(lambda: watched.certificates._looks > looks + 5)
    assert [entry["event"] for entry in said] == ["certificate_rejected"]
    assert watched.names == ("first.example",)
    good = make_pair("good.example")
    watched.secret.update(good)
    await until(lambda: watched.names == ("good.example",))


async def test_files_that_vanish_and_come_back(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "..data").unlink()
    await until(lambda: watched.counters.certificate_reloads_failed == 1)
    assert watched.names == ("first.example",)
    back = make_pair("back.example")
    watched.secret.update(back)
    await until(lambda: watched.names == ("back.example",))


async def test_half_a_pair_is_waited_for(watched: Watched, tmp_path: Path) -> None:
    """As long as something changes between two looks, nothing is read."""
    new = make_pair("new.example")
    for number in range(20):
        path = tmp_path / "..data" / "tls.crt"
        path.write_bytes(new.certificate[: 10 * number])
        looks = watched.certificates._looks
        await until(partial(watched.looked, looks))
    assert watched.counters.certificate_reloads_failed == 0
    (tmp_path / "..data" / "tls.crt").write_bytes(new.certificate)
    (tmp_path / "..data" / "tls.key").write_bytes(new.key)
    await until(lambda: watched.names == ("new.example",))


async def test_asked_to_read_again(tmp_path: Path) -> None:
    """SIGHUP, for where times and sizes do not change."""
    pair = make_pair("first.example")
    pair.write(tmp_path)
    certificates = Certificates(files(tmp_path), Counters())
    certificates.load()
    await certificates.reload()
    assert certificates.current.names == ("first.example",)
    make_pair("second.example").write(tmp_path)
    await certificates.reload()
    assert certificates.current.names == ("second.example",)
