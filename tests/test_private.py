"""A file that somebody else could read or write is no secret."""

from pathlib import Path

import pytest

from gateway.private import Exposed, private_content


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_is_read_when_only_its_owner_may(mode: int, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret\n")
    (tmp_path / "key").chmod(mode)
    assert private_content(tmp_path / "key") == b"secret\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602, 0o777])
def test_is_refused_when_others_may(mode: int, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret\n")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(Exposed, match=f"mode {mode:04o} .*chmod 600 key") as refused:
        private_content(tmp_path / "key")
    assert "secret" not in repr(refused.value)


def test_a_mounted_secret_may_be_read_by_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes: root owns it, `fsGroup` reads it."""
    (tmp_path / "key").write_bytes(b"secret\n")
    (tmp_path / "key").chmod(0o440)
    owner = (tmp_path / "key").stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    assert private_content(tmp_path / "key") == b"secret\n"
    (tmp_path / "key").chmod(0o444)
    with pytest.raises(Exposed):
        private_content(tmp_path / "key")
