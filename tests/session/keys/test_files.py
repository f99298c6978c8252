"""Keys as files: made once, agreed on by all processes, and closed to everybody else."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.errors import ConfigError
from gateway.session.cookie import mint, verify
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import new_key
from tests.session.samples import ring_in

# uid and gid of `nobody`.
_NOBODY = 65534


def pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None
) -> bytes:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        protection = serialization.BestAvailableEncryption(password)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def put(directory: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


class TestFirstStart:
    def test_makes_one_key_of_each_kind(self, tmp_path: Path) -> None:
        ring_in(tmp_path / "var" / "keys")
        names = [path.name for path in (tmp_path / "var" / "keys").iterdir()]
        assert all(re.fullmatch(r"[0-9a-z]{16}\.(es256\.pem|root\.key)", name) for name in names)
        assert sorted(name.partition(".")[2] for name in names) == ["es256.pem", "root.key"]

    def test_only_the_owner_may_read_them(self, tmp_path: Path) -> None:
        ring_in(tmp_path / "keys")
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {
            0o600
        }

    def test_the_next_start_finds_the_same(self, tmp_path: Path) -> None:
        first, second = ring_in(tmp_path), ring_in(tmp_path)
        assert verify(second, mint(first).value) is not None
        assert first.signing_key.id == second.signing_key.id

    def test_makes_only_the_kind_that_is_missing(self, tmp_path: Path) -> None:
        first = ring_in(tmp_path)
        next(tmp_path.glob("*.es256.pem")).unlink()
        second = ring_in(tmp_path)
        assert second.root_id == first.root_id
        assert len(second.signing_keys) == 1

    def test_processes_starting_at_once_agree(self, tmp_path: Path) -> None:
        program = (
            "import asyncio, sys; from pathlib import Path\n"
            "from gateway.session.keys import KeyRing\n"
            "from gateway.session.keys.files import FileKeys\n"
            "from gateway.session.keys.rotation import complete\n"
            "sys.stdin.readline(); made = asyncio.run(complete(FileKeys(Path(sys.argv[1]))))\n"
            "ring = KeyRing(made.keys)\n"
            "print(ring.root_id, ring.signing_key.id, ring.subkey(ring.root_id, 'x').hex())"
        )
        starting = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / "keys")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in starting:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = {process.communicate(timeout=60)[0] for process in starting}
        assert len(answers) == 1
        assert len(answers.pop().split()) == 3
        assert len(list((tmp_path / "keys").iterdir())) == 2

    def test_what_a_crash_left_half_written_is_no_key(self, tmp_path: Path) -> None:
        put(tmp_path, ".261123124700a1b2.root.key.1234abcd", b"12")
        assert ring_in(tmp_path).root_id != "261123124700a1b2"

    def test_a_place_that_cannot_be_used_is_a_config_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="cannot be used"):
            ring_in(tmp_path / "file" / "keys")


UNUSABLE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "short root": ("root.key", lambda: b"11" * 31, "32 bytes in hex"),
    "long root": ("root.key", lambda: b"11" * 33, "32 bytes in hex"),
    "root not hex": ("root.key", lambda: b"zz" * 32, "32 bytes in hex"),
    "root not text": ("root.key", lambda: b"\xff" * 32, "32 bytes in hex"),
    "empty root": ("root.key", lambda: b"", "32 bytes in hex"),
    "no PEM": ("es256.pem", lambda: b"nothing", "not an unencrypted private key"),
    "other curve": (
        "es256.pem",
        lambda: pem(ec.generate_private_key(ec.SECP384R1())),
        "not a P-256 key",
    ),
    "RSA": ("es256.pem", lambda: pem(rsa.generate_private_key(65537, 2048)), "not a P-256 key"),
    "encrypted": (
        "es256.pem",
        lambda: pem(ec.generate_private_key(ec.SECP256R1()), b"pass"),
        "not an unencrypted private key",
    ),
}


class TestUnusableFiles:
    @pytest.mark.parametrize("case", UNUSABLE)
    def test_is_named_with_what_is_wrong(self, case: str, tmp_path: Path) -> None:
        suffix, content, wrong = UNUSABLE[case]
        path = put(tmp_path, f"250101000000aaaa.{suffix}", content())
        with pytest.raises(ConfigError, match=wrong) as caught:
            ring_in(tmp_path)
        assert [problem.where for problem in caught.value.problems] == [str(path)]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602, 0o777])
    def test_a_file_open_to_others_is_refused(self, mode: int, tmp_path: Path) -> None:
        put(tmp_path, "250101000000aaaa.root.key", b"11" * 32, mode)
        with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600"):
            ring_in(tmp_path)

    def test_every_problem_at_once_and_no_key_in_it(self, tmp_path: Path) -> None:
        put(tmp_path, "250101000000aaaa.root.key", b"cafe", 0o644)
        put(tmp_path, "250101000000bbbb.root.key", b"cafe")
        with pytest.raises(ConfigError) as caught:
            ring_in(tmp_path)
        assert len(caught.value.problems) == 2
        assert "cafe" not in str(caught.value)

    def test_a_mounted_secret_may_be_read_by_its_group(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Kubernetes: root owns it, `fsGroup` reads it. What others could change is refused."""
        root = put(tmp_path, "250101000000aaaa.root.key", b"11" * 32, 0o440)
        signing = pem(ec.generate_private_key(ec.SECP256R1()))
        put(tmp_path, "250101000000aaaa.es256.pem", signing, 0o440)
        monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
        assert ring_in(tmp_path).root_id == "250101000000aaaa"
        root.chmod(0o460)
        with pytest.raises(ConfigError, match="mode 0460"):
            ring_in(tmp_path)


class TestFolder:
    """What only a folder can have wrong."""

    async def test_a_half_written_file_spoils_no_other_key(self, tmp_path: Path) -> None:
        ring = ring_in(tmp_path)
        path = put(tmp_path, "260101000000aaaa.root.key", b"11" * 12)
        kept = await FileKeys(tmp_path).read()
        assert kept.keys == ring.keys
        assert kept.damaged == {"260101000000aaaa.root"}
        (problem,) = kept.problems
        assert problem.where == str(path)
        assert "copy it here again, whole, or take it away" in problem.wrong

    async def test_tidying_takes_half_written_files_away(self, tmp_path: Path) -> None:
        ring_in(tmp_path)
        left = put(tmp_path, ".261123124700a1b2.root.key.1234abcd", b"12")
        others = put(tmp_path, ".nothing-of-ours", b"12")
        await FileKeys(tmp_path).tidy()
        assert not left.exists()
        assert others.exists()
        assert len(ring_in(tmp_path).keys) == 2

    async def test_a_folder_in_place_of_a_key_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "260101000000aaaa.root.key").mkdir(mode=0o700)
        (problem,) = (await FileKeys(tmp_path).read()).problems
        assert "not a file" in str(problem) or "Is a directory" in str(problem)

    async def test_a_pipe_in_place_of_a_key_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "260101000000aaaa.root.key", 0o600)
        (problem,) = (await FileKeys(tmp_path).read()).problems
        assert "not a file" in str(problem)

    async def test_a_folder_that_cannot_be_written_says_what_to_do(self, tmp_path: Path) -> None:
        ring = ring_in(tmp_path)
        with as_somebody_who_may_only_read(tmp_path):
            kept = await FileKeys(tmp_path).read()
            with pytest.raises(ConfigError, match="Permission denied; be the gateway's user") as no:
                await FileKeys(tmp_path).add(new_key("root", 1_900_000_000), f"{ring.root_id}.root")
            assert "--write" in str(no.value)
        assert kept.keys == ring.keys

    async def test_a_key_of_somebody_else_says_so(self, tmp_path: Path) -> None:
        ring = ring_in(tmp_path)
        path = tmp_path / f"{ring.root_id}.root.key"
        with as_somebody_who_may_only_read(tmp_path, but=path):
            kept = await FileKeys(tmp_path).read()
        assert {key.name for key in kept.keys} == {ring.signing_key.name}
        assert kept.damaged == {f"{ring.root_id}.root"}
        (problem,) = kept.problems
        assert problem.where == str(path)
        assert problem.wrong == "cannot be read: Permission denied; it must be the gateway's user's"


@contextmanager
def as_somebody_who_may_only_read(folder: Path, but: Path | None = None) -> Iterator[None]:
    """Root may write everything, so be somebody else for a moment. `but`: not even read."""
    root = os.geteuid() == 0
    for path in (folder, *folder.iterdir()):
        if root:
            os.chown(path, _NOBODY, _NOBODY)
    if but is not None:
        but.chmod(0o000)
    folder.chmod(0o500)
    closed = [above for above in folder.parents if root and above.stat().st_mode & 0o011 < 0o011]
    modes = {above: above.stat().st_mode for above in closed}
    try:
        for above in closed:
            above.chmod(modes[above] | 0o011)
        if root:
            os.seteuid(_NOBODY)
        yield
    finally:
        if root:
            os.seteuid(0)
        for above, mode in modes.items():
            above.chmod(mode)
        folder.chmod(0o700)
