"""`sonar-gateway pilots`: change a policy file as its author would, and keep the rest.

Every gateway that reads the folder has the change in force within a second, and ends the sessions
of whom it no longer lets in. The file is replaced whole, and only by one that a gateway would take
together with all others beside it: with a problem in any of them a gateway keeps the set it has, so
that nothing written meanwhile would be in force.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gateway.config import Config
from gateway.email import Email
from gateway.errors import CannotStart, ConfigError, Problem
from gateway.policy.edit import Edit, adding, changed, removing, setting
from gateway.policy.model import Policy, Sso
from gateway.policy.store import parse_folder, read_folder
from gateway.whole import write_whole

# A file whose folder is mounted to be read only, or is somebody else's.
_NOT_OURS = frozenset((errno.EROFS, errno.EACCES, errno.EPERM))


def enable(config: Config, who: Email | str) -> str:
    """Have somebody among the pilot users, or a domain that is off in pilot."""
    with policy_files(config) as policies:
        if isinstance(who, str):
            return policies.switch(who, Sso.OFF, Sso.PILOT)
        policy = policies.of(who.domain)
        if who in policy.pilot_users:
            return f"{who} is a pilot user already, in {policy.file}"
        meant = replace(policy, pilot_users=policy.pilot_users | {who})
        policies.write(meant, policies.prepared(meant, adding("pilot_users", who)))
    means = "" if policy.sso is Sso.PILOT else f"; it has no effect while sso is {policy.sso}"
    if policy.sso is Sso.OFF:
        means += f": next, `sonar-gateway pilots enable {policy.domain}`"
    return f"{who} is a pilot user, in {policy.file}{means}"


def disable(config: Config, who: Email | str) -> str:
    """Have somebody among the pilot users no more, or a domain that is in pilot off."""
    with policy_files(config) as policies:
        if isinstance(who, str):
            return policies.switch(who, Sso.PILOT, Sso.OFF)
        policy = policies.of(who.domain)
        if who not in policy.pilot_users:
            return f"{who} is no pilot user, in {policy.file}"
        meant = replace(policy, pilot_users=policy.pilot_users - {who})
        policies.write(meant, policies.prepared(meant, removing("pilot_users", frozenset({who}))))
    return f"{who} is no pilot user any more, in {policy.file}"


def pilots(config: Config) -> tuple[Policy, ...]:
    """Every policy, by domain."""
    with policy_files(config, write=False) as policies:
        return policies.all()


def pilots_as_text(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(
        f"{policy.domain}  {policy.sso}  {', '.join(_emails(policy.pilot_users)) or '-'}"
        for policy in policies
    )


def pilots_as_json(policies: Sequence[Policy]) -> list[Mapping[str, object]]:
    return [
        {
            "domain": policy.domain,
            "aliases": sorted(policy.aliases),
            "sso": policy.sso,
            "pilot_users": _emails(policy.pilot_users),
            "blocked_users": _emails(policy.blocked_users),
            "file": policy.file,
        }
        for policy in policies
    ]


def _emails(emails: frozenset[Email]) -> list[str]:
    return sorted(map(str, emails))


@contextmanager
def policy_files(config: Config, *, write: bool = True) -> Iterator["PolicyFiles"]:
    """The folder as it is; with `write`, nobody else's command changes it meanwhile. Raises
    `ConfigError` when it is not in order."""
    try:
        lock = os.open(config.policies, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
        raise ConfigError((Problem(str(config.policies), "", None, wrong),)) from error
    try:
        if write:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield PolicyFiles(config)
        if write:
            os.fsync(lock)
    finally:
        os.close(lock)


class PolicyFiles:
    """The policies in the folder, and how a file of it is replaced."""

    def __init__(self, config: Config) -> None:
        self._directory = config.policies
        self._kinds = config.kinds
        self._folder = read_folder(config.policies)
        found = parse_folder(self._folder, self._kinds)
        if isinstance(found, tuple):
            together = "a gateway takes its files together or not at all: mend what is told above"
            raise ConfigError((*found, Problem(str(config.policies), "", None, together)))
        self._by_domain = found.by_domain

    def all(self) -> tuple[Policy, ...]:
        policies = {policy.domain: policy for policy in self._by_domain.values()}
        return tuple(policies[domain] for domain in sorted(policies))

    def of(self, domain: str) -> Policy:
        policy = self._by_domain.get(domain)
        if policy is None:
            wrong = f"no policy is about {domain}"
            raise ConfigError((Problem(str(self._directory), "", None, wrong),))
        return policy

    def switch(self, domain: str, before: Sso, after: Sso) -> str:
        """Only from one to the other: what is on for everybody is no pilot."""
        policy = self.of(domain)
        if policy.sso is after:
            return f"{domain} has `sso: {after}` already, in {policy.file}"
        if policy.sso is not before:
            wrong = f"is {policy.sso}, not {before}; change it in the file"
            raise ConfigError((Problem(policy.file, "sso", None, wrong),))
        if after is Sso.PILOT and not policy.pilot_users:
            somebody = f"`sonar-gateway pilots enable SOMEBODY@{domain}`"
            wrong = f"a pilot needs somebody: first {somebody}, then this once more"
            raise ConfigError((Problem(policy.file, "pilot_users", None, wrong),))
        meant = replace(policy, sso=after)
        self.write(meant, self.prepared(meant, setting("sso", after)))
        return f"{domain} has `sso: {after}`, in {policy.file}"

    def prepared(self, meant: Policy, edit: Edit) -> bytes:
        """The new content of the policy's file, in order together with all others."""
        if Path(meant.file).is_symlink():
            # A ConfigMap, or one file for many: it is changed where it comes from.
            wrong = "is a link to a file that is kept elsewhere; edit it where it comes from"
            raise ConfigError((Problem(meant.file, "", None, wrong),))
        content = changed(self._folder.files[meant.file], meant.file, edit, meant)
        if isinstance(content, tuple):
            raise ConfigError(content)
        files = {**self._folder.files, meant.file: content}
        together = parse_folder(replace(self._folder, files=files), self._kinds)
        if isinstance(together, tuple):
            raise ConfigError(together)
        return content

    def write(self, meant: Policy, content: bytes) -> None:
        path = Path(meant.file)
        try:
            write_whole(path, content, like=path.stat())
        except OSError as error:
            elsewhere = "; edit it where it comes from" if error.errno in _NOT_OURS else ""
            wrong = f"{path} cannot be written: {error.strerror}{elsewhere}"
            raise CannotStart(wrong) from error
