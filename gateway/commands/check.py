"""`sonar-gateway check`: does everything that config.yaml names work? One line each.

Every line is tried for real, all of them at once: the providers' discovery and keys, the redirect
URIs, the database, the end of the audit, the directory, the session store, Sonar itself and the
places for the fragments in its pages. Nothing is made or changed, so it can be run before the first
start and beside a running gateway.
"""

import asyncio
import time
from collections.abc import Awaitable

import uvloop

from gateway.account.directory import open_directory
from gateway.account.links import LinkStore
from gateway.account.passwords import Passwords
from gateway.account.trail import Trail
from gateway.commands.check_database import check_directory_way, check_own_way
from gateway.commands.check_upstream import check_upstream
from gateway.commands.lines import Line, Lines, as_text
from gateway.config import Config, warnings_about
from gateway.edge.certificate import load_certificate, told
from gateway.errors import ConfigError, GatewayError
from gateway.identity.fetch import open_http
from gateway.identity.provider import ProviderClient, Providers
from gateway.operate.audit.chain import Chain
from gateway.operate.audit.verify import verify
from gateway.policy.store import read_policies
from gateway.session.keys import KeyRing
from gateway.session.keys.choose import lives_in, opened_source
from gateway.session.keys.rotation import standing
from gateway.session.store.choose import store_for
from gateway.session.store.embedded import count_sessions
from gateway.urls import parse_origin

_DAY = 24 * 3600
# Those that renew themselves do so a month ahead; who is told now can still act.
_DAYS_TO_WARN = 14
# Rows of the audit: some milliseconds' work.
_NEWEST = 100
# Longer than any part's own time limit, so that the line says what the part says.
_PATIENCE = 20.0


__all__ = ["as_json", "as_text", "check", "run"]


def run(config: Config) -> Lines:
    """`check`, on the event loop that `serve` has, so that both say the same of what is down."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(check(config))


async def check(config: Config) -> Lines:
    """Try every part; never raises for what is wrong with one."""
    async with open_http() as http:
        tried = await asyncio.gather(
            _tried("config", _config(config)),
            _tried("policies", _policies(config)),
            _tried("keys", _keys(config)),
            _tried("links database", _links(config)),
            _tried("links database", check_own_way(config)),
            _tried("sessions", _sessions(config)),
            _tried("directory", _directory(config)),
            _tried("directory", check_directory_way(config)),
            _tried("upstream", check_upstream(config)),
            _tried("certificate", _certificate(config)),
            *(_tried(provider.name, _provider(provider)) for provider in Providers(config, http)),
        )
    return tuple(line for lines in tried for line in lines)


async def _tried(part: str, attempt: Awaitable[Lines]) -> Lines:
    """The lines of one part; whatever it raises is its line."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await attempt
    except ConfigError as error:
        return tuple(Line("FAIL", part, str(problem)) for problem in error.problems)
    except GatewayError as error:
        return (Line("FAIL", part, str(error)),)
    except TimeoutError:
        return (Line("FAIL", part, f"no answer within {_PATIENCE:.0f} s"),)


async def _config(config: Config) -> Lines:
    warnings = tuple(Line("warn", "config", warning) for warning in warnings_about(config))
    return (Line("ok", "config", f"for {config.server.public_url}"), *warnings)


async def _policies(config: Config) -> Lines:
    policies = read_policies(config.policies, config.kinds)
    if isinstance(policies, tuple):
        return tuple(Line("FAIL", "policies", str(problem)) for problem in policies)
    distinct = sorted({policy.domain: policy for policy in policies.by_domain.values()}.items())
    if not distinct:
        return (Line("warn", "policies", f"none in {config.policies}: every domain is refused"),)
    listed = ", ".join(f"{domain} ({policy.sso})" for domain, policy in distinct)
    return (Line("ok", "policies", listed),)


async def _keys(config: Config) -> Lines:
    async with opened_source(config) as source:
        kept = await source.read()
    if kept.problems:
        raise ConfigError(kept.problems)
    if kept.missing:
        later = f"none yet {source.where}; `serve` makes them at its first start"
        return (Line("warn", "keys", later),)
    found = standing(kept, lives_in(config), time.time())
    in_use = ", ".join(each.key.name for each in found if each.state == "in use")
    return (Line("ok", "keys", f"{source.where}; in use: {in_use}"),)


async def _certificate(config: Config) -> Lines:
    server = config.server
    if server.tls is None:
        return ()
    found = await asyncio.to_thread(load_certificate, server.tls)
    wrong = found if isinstance(found, str) else found.wrong(time.time())
    if wrong is not None or isinstance(found, str):
        return (Line("FAIL", "certificate", str(wrong)),)
    host = parse_origin(server.public_url).host
    days = int((found.expires - time.time()) // _DAY)
    until = f"until {told(found.expires)}, {days} days"
    if not found.covers(host):
        names = ", ".join(found.names) or "nobody"
        return (Line("warn", "certificate", f"not for {host} but for {names}; {until}"),)
    if days < _DAYS_TO_WARN:
        return (Line("warn", "certificate", f"for {host} {until}; renew it"),)
    return (Line("ok", "certificate", f"for {host} {until}"),)


async def _links(config: Config) -> Lines:
    links = LinkStore(config.links.database)
    await links.open()
    await links.close()
    return (Line("ok", "links database", "reachable, schema up to date"), *await _audit(config))


async def _audit(config: Config) -> Lines:
    """The end of the chain only: the whole of it may be a million rows."""
    async with opened_source(config) as source:
        kept = await source.read()
    if kept.problems or kept.missing:
        return ()  # told by the keys
    chain = Chain(KeyRing(kept.keys))
    trail = Trail(config.links.database, chain)
    try:
        head, last = await trail.head()
        after = max(last if head is None else head.number, _NEWEST) - _NEWEST
        found = await verify(trail, chain, after=after)
    finally:
        await trail.close()
    if found.misfit is not None:
        wrong = f"row {found.misfit.number} {found.misfit.wrong}"
        return (Line("FAIL", "audit", f"{wrong}; `audit verify` looks at all"),)
    if not found.records:
        return (Line("ok", "audit", "no records yet"),)
    newest = f"the newest {found.records} of {found.number} records"
    return (Line("ok", "audit", f"{newest} are as they were written; `audit verify` looks at all"),)


async def _sessions(config: Config) -> Lines:
    if config.sessions.store != "embedded":
        return await _redis(config)
    path = config.sessions.path
    live = await count_sessions(path, time.time())
    if live is None:
        later = f"none yet in {path}; `serve` makes the store at its first start"
        return (Line("warn", "sessions", later),)
    return (Line("ok", "sessions", f"embedded store works; {live} signed in"),)


async def _redis(config: Config) -> Lines:
    store = store_for(config.sessions)
    await store.open()
    try:
        live = len(await store.all())
    finally:
        await store.close()
    return (Line("ok", "sessions", f"Redis store works; {live} signed in"),)


async def _directory(config: Config) -> Lines:
    passwords = Passwords(config.passwords.concurrent)
    directory = open_directory(config.directory, passwords)
    try:
        await directory.open()
        found, warning = await directory.check()
        if warning:
            return (Line("warn", "directory", f"{found}; {warning}"),)
        return (Line("ok", "directory", found),)
    finally:
        await directory.close()
        passwords.close()


async def _provider(provider: ProviderClient) -> Lines:
    return tuple(
        Line("ok" if finding.ok else "FAIL", f"{provider.name} {finding.what}", finding.detail)
        for finding in await provider.check()
    )


def as_json(lines: Lines) -> list[dict[str, str]]:
    """For a program: the same lines."""
    return [{"state": line.state, "part": line.part, "detail": line.detail} for line in lines]
