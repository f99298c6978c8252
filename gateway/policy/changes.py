"""What differs between two sets of policies, told to the people who look after them. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from gateway.policy.model import Policies, Policy, ProviderRule


@dataclass(frozen=True, slots=True)
class Change:
    """One domain's: `+`, `-` and what was put on or taken off which list, `sso: pilot -> on`."""

    domain: str
    what: tuple[str, ...]


def changes(old: Policies, new: Policies) -> tuple[Change, ...]:
    """Every domain whose policy differs, in the order of their names."""
    before, after = _by_name(old), _by_name(new)
    found = []
    for domain in sorted(before.keys() | after.keys()):
        what = _differences(before.get(domain), after.get(domain))
        if what:
            found.append(Change(domain, what))
    return tuple(found)


def digest(policies: Policies) -> str:
    """The same text for the same policies, in every process; another for others."""
    told = {domain: _told(policy) for domain, policy in _by_name(policies).items()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _by_name(policies: Policies) -> dict[str, Policy]:
    return {policy.domain: policy for policy in policies.by_domain.values()}


def _differences(old: Policy | None, new: Policy | None) -> tuple[str, ...]:
    if new is None:
        return ("the policy is gone",)
    before = {} if old is None else _told(old)
    found = ["a new policy"] if old is None else []
    for name, values in _told(new).items():
        gone = [value for value in before.get(name, []) if value not in values]
        come = [value for value in values if value not in before.get(name, [])]
        if gone and come and not isinstance(getattr(new, name), frozenset | Mapping):
            found.append(f"{name}: {gone[0]} -> {come[0]}")
        else:
            found += [f"{name}: - {value}" for value in gone]
            found += [f"{name}: + {value}" for value in come]
    return tuple(found)


def _told(policy: Policy) -> dict[str, list[str]]:
    """Each key with its values as text."""
    return {
        field.name: sorted(_texts(getattr(policy, field.name)))
        for field in fields(policy)
        if field.compare and field.name != "domain"
    }


def _texts(value: object) -> list[str]:
    match value:
        case None:
            return []
        case Enum():
            return [str(value.value)]
        case frozenset():
            return [str(each) for each in value]
        case Mapping():
            return [
                text
                for name, rule in value.items()
                for text in (str(name), *(f"{name} {each}" for each in _rule(rule)))
            ]
        case float():
            return [f"{value:g} s"]
        case _:
            return [str(value)]


def _rule(rule: object) -> list[str]:
    return [f"tenant {each}" for each in rule.tenants] if isinstance(rule, ProviderRule) else []
