"""Which config.yaml is used, on which ports, and what is said when a port is taken."""

import socket
from pathlib import Path

import pytest

from demo.plan import CannotRun, make_plan, refuse_busy_ports
from gateway.errors import ConfigError
from gateway.values import ListenAddress
from tests.demo.ports import free_ports

CONFIG = Path(__file__).parents[2] / "config.yaml"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The repository's own, where its relative paths lead into `tmp_path`."""
    (tmp_path / "policies").mkdir()
    copy = tmp_path / "config.yaml"
    copy.write_bytes(CONFIG.read_bytes())
    return copy


def test_uses_config_yaml_as_it_stands(config_file: Path, tmp_path: Path) -> None:
    plan = make_plan(config_file, None)
    assert plan.config_file == config_file
    assert plan.sonar == ListenAddress("127.0.0.1", 8081)
    assert plan.providers == ListenAddress("127.0.0.1", 8082)
    assert plan.provider_origin() == "http://localhost:8082"
    assert plan.data == tmp_path / "var"
    assert plan.plays("google")
    assert plan.plays("microsoft")
    assert make_plan(config_file, 8080) == plan


def test_another_port_moves_everything_and_its_data(config_file: Path, tmp_path: Path) -> None:
    plan = make_plan(config_file, 18080)
    config = plan.config
    assert config.server.public_url == "http://localhost:18080"
    assert config.server.listen == ("127.0.0.1", 18080)
    assert config.upstream.url == "http://127.0.0.1:18081"
    assert plan.sonar.port == 18081
    assert plan.providers == ("127.0.0.1", 18082)
    assert config.server.management.port == 18083
    assert {p.discovery_url.split("/")[2] for p in config.providers.values()} == {"localhost:18082"}
    data = tmp_path / "var" / "port-18080"
    assert plan.data == data
    assert config.keys.folder == data / "keys"
    assert config.sessions.path == data / "sessions.db"
    assert config.links.database.reveal() == f"sqlite:///{data / 'gateway.db'}"
    assert config.log.access == str(data / "access.log")
    assert config.policies == tmp_path / "policies"


def test_a_real_provider_is_left_alone(config_file: Path) -> None:
    text = config_file.read_text()
    line = next(line for line in text.splitlines() if "/google/.well-known" in line)
    config_file.write_text(text.replace(line, ""))
    for plan in (make_plan(config_file, None), make_plan(config_file, 18080)):
        assert not plan.plays("google")
        assert plan.plays("microsoft")
        assert "accounts.google.com" in plan.config.providers["google"].discovery_url


def test_a_real_sonar_is_not_played(config_file: Path) -> None:
    text = config_file.read_text().replace("http://127.0.0.1:8081", "https://sonar.acme.example")
    config_file.write_text(text)
    with pytest.raises(CannotRun, match=r"names a real Sonar \(https://sonar\.acme\.example\)"):
        make_plan(config_file, None)


def test_a_bad_config_is_told_in_full(config_file: Path) -> None:
    with config_file.open("a") as file:
        file.write("providrs: {}\n")
    with pytest.raises(ConfigError, match="providrs"):
        make_plan(config_file, None)


def test_a_taken_port_is_named_with_the_way_out(config_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        plan = make_plan(config_file, port - 1)
        with pytest.raises(CannotRun) as refused:
            refuse_busy_ports(plan)
    assert f"{port}  the stand-in Sonar" in str(refused.value)
    assert "make run PORT=" in str(refused.value)


def test_a_port_just_left_is_free(config_file: Path) -> None:
    port = free_ports()
    with (
        socket.create_server(("127.0.0.1", port + 1)) as server,
        socket.create_connection(("127.0.0.1", port + 1)) as client,
    ):
        connection, _ = server.accept()
        connection.close()
        assert client.recv(1) == b""
    refuse_busy_ports(make_plan(config_file, port))
