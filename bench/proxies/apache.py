"""Apache with mod_auth_openidc holding a session; one child process of the event MPM.

Its sessions are in shared memory (`server-cache`, its default) under an id in the cookie.
"""

import os
import re
import secrets

from bench.process import CannotMeasure
from bench.programs import APACHE, APACHE_MODULES, find, version
from bench.proxies import Proxy
from bench.signin import sign_in
from bench.stage import CLIENT_ID, CLIENT_SECRET, Stage, free_port

NAME = "mod_auth_openidc"

_MODULES = "mpm_event authn_core authz_core authz_user proxy proxy_http auth_openidc".split()

_CONFIG = """\
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/apache-{port}.pid
ErrorLog /dev/stderr
LogLevel error
Listen 127.0.0.1:{port}
ListenBacklog 4096
{modules}
{user}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 64
AsyncRequestWorkerFactor 100
MinSpareThreads 1
MaxSpareThreads 64
MaxConnectionsPerChild 0
KeepAlive On
KeepAliveTimeout 3600
MaxKeepAliveRequests 0
OIDCProviderMetadataURL http://localhost:{provider}/google/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {origin}/callback
OIDCCryptoPassphrase {passphrase}
OIDCScope "openid email profile"
OIDCPKCEMethod S256
ProxyPass / http://127.0.0.1:{upstream}/ keepalive=On max=64
<Location />
  AuthType openid-connect
  Require valid-user
</Location>
"""


def start(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    origin = f"http://localhost:{port}"
    provider = stage.module("bench.provider", f"{origin}/callback")
    config = stage.folder / f"apache-{port}.conf"
    config.write_text(
        _CONFIG.format(
            folder=stage.folder,
            port=port,
            modules="\n".join(
                f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in _MODULES
            ),
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            provider=provider,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            origin=origin,
            passphrase=secrets.token_hex(16),
            upstream=upstream,
        )
    )
    program = stage.run(NAME, (find(APACHE), "-DFOREGROUND", "-f", str(config)), port=port)
    return Proxy(NAME, port, program, _version(), sign_in(origin))


def _version() -> str:
    module = (APACHE_MODULES / "mod_auth_openidc.so").read_bytes()
    found = re.search(rb"mod_auth_openidc-(\d[\w.]+)", module)
    if found is None:
        raise CannotMeasure("mod_auth_openidc.so does not say its version")
    return f"{found[1].decode()} on Apache {version(APACHE)}"
