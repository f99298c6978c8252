"""Envoy, one worker thread: plain, and with its `oauth2` filter holding a session.

The filter keeps the session in the browser's cookies: tokens, encrypted, and an HMAC over them,
which it checks with each request. https://www.envoyproxy.io/docs/envoy/latest/configuration/http/
http_filters/oauth2_filter
"""

import json
import secrets
from pathlib import Path

from bench.process import Program
from bench.programs import ENVOY, find, version
from bench.proxies import Proxy
from bench.signin import sign_in
from bench.stage import CLIENT_ID, CLIENT_SECRET, Stage, free_port

PLAIN = "Envoy"
SIGNED_IN = "Envoy oauth2"

_TYPES = "type.googleapis.com/envoy.extensions"
# Envoy allows 1024 connections to a cluster by default; a WebSocket takes one.
_MANY = 100_000

Json = dict[str, object]


def start_plain(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    config = _config(port, [], {"sonar": upstream})
    return Proxy(PLAIN, port, _run(stage, PLAIN, port, config), version(ENVOY))


def start_signed_in(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    callback = f"http://localhost:{port}/callback"
    provider = stage.module("bench.provider", callback)
    token_secret = _secret(stage.folder, "token", CLIENT_SECRET)
    hmac_secret = _secret(stage.folder, "hmac", secrets.token_hex(32))
    google = f"http://localhost:{provider}/google"
    oauth2: Json = {
        "name": "envoy.filters.http.oauth2",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.oauth2.v3.OAuth2",
            "config": {
                "token_endpoint": {
                    "cluster": "provider",
                    "uri": f"{google}/token",
                    "timeout": "5s",
                },
                "authorization_endpoint": f"{google}/authorize",
                "redirect_uri": callback,
                "redirect_path_matcher": {"path": {"exact": "/callback"}},
                "signout_path": {"path": {"exact": "/signout"}},
                "credentials": {
                    "client_id": CLIENT_ID,
                    "token_secret": token_secret,
                    "hmac_secret": hmac_secret,
                },
                "auth_scopes": ["openid", "email", "profile"],
                "forward_bearer_token": True,
            },
        },
    }
    config = _config(port, [oauth2], {"sonar": upstream, "provider": provider})
    program = _run(stage, SIGNED_IN, port, config)
    cookie = sign_in(f"http://localhost:{port}")
    return Proxy(SIGNED_IN, port, program, version(ENVOY), cookie)


def _run(stage: Stage, name: str, port: int, config: Json) -> Program:
    file = stage.folder / f"envoy-{port}.json"
    file.write_text(json.dumps(config))
    command = (
        find(ENVOY),
        "-c",
        str(file),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "-l",
        "warning",
    )
    return stage.run(name, command, port=port)


def _config(port: int, filters: list[Json], clusters: dict[str, int]) -> Json:
    router: Json = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
    }
    to_sonar = {"match": {"prefix": "/"}, "route": {"cluster": "sonar", "timeout": "0s"}}
    manager: Json = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "browsers",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [to_sonar]}]
        },
        "http_filters": [*filters, router],
    }
    listener: Json = {
        "name": "browsers",
        "address": _address(port),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    }  # fmt: skip
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "static_resources": {
            "listeners": [listener],
            "clusters": [_cluster(name, to) for name, to in clusters.items()],
        },
    }


def _cluster(name: str, port: int) -> Json:
    endpoint: Json = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [
            {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY},
        ]},
    }  # fmt: skip


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _secret(folder: Path, name: str, value: str) -> Json:
    """A secret that Envoy reads from a file."""
    resource: Json = {
        "@type": f"{_TYPES}.transport_sockets.tls.v3.Secret",
        "name": name,
        "generic_secret": {"secret": {"inline_string": value}},
    }
    file = folder / f"envoy-{name}.json"
    file.write_text(json.dumps({"resources": [resource]}))
    return {"name": name, "sds_config": {"path_config_source": {"path": str(file)}}}
