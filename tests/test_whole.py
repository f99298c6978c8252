"""A file is replaced as a whole, and stays who may read it."""

import os
import stat
from pathlib import Path

import pytest

from gateway.whole import write_whole


def test_nobody_but_its_owner_reads_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "new"
    write_whole(file, b"content")
    assert file.read_bytes() == b"content"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_replaced_with_the_mode_of_another(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(b"before")
    file.chmod(0o644)
    was = file.stat()
    write_whole(file, b"after", like=was)
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert (file.stat().st_uid, file.stat().st_gid) == (was.st_uid, was.st_gid)


def test_what_cannot_be_written_leaves_what_was(tmp_path: Path) -> None:
    taken = tmp_path / "folder"
    taken.mkdir()
    (taken / "inside").touch()
    with pytest.raises(IsADirectoryError):
        write_whole(taken, b"content")
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(taken) == ["inside"]
