"""`check` on the way to a database: who could listen."""

from pathlib import Path

import pytest

from gateway.commands.check_database import check_directory_way, check_own_way
from gateway.config import Config, load_config
from gateway.secret import Secret


@pytest.fixture
def config(folder: Path) -> Config:
    return load_config(folder / "config.yaml")


def with_links(config: Config, url: str) -> Config:
    links = config.links.model_copy(update={"database": Secret(url)})
    return config.model_copy(update={"links": links})


async def test_a_file_is_no_way(config: Config) -> None:
    assert await check_own_way(config) == ()
    assert await check_directory_way(config) == ()


async def test_a_server_on_this_machine(config: Config, postgres_url: str) -> None:
    (line,) = await check_own_way(with_links(config, postgres_url))
    assert (line.state, line.part) == ("ok", "links database")
    assert line.detail == "not encrypted, on this machine"


@pytest.mark.parametrize("url", ["postgresql://x@127.0.0.1:1/x", "postgresql://x@/x?zzz=1"])
async def test_who_needs_the_database_says_what_is_wrong_with_it(config: Config, url: str) -> None:
    assert await check_own_way(with_links(config, url)) == ()
