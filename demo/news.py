"""What the gateway's log says of the policies, repeated on the terminal in plain words."""

import asyncio
import os
import re

from demo.plan import Plan
from gateway.errors import Problem
from gateway.policy.model import Policies
from gateway.policy.store import read_policies

# A change is in force within a second; this is soon enough to say so.
_LOOK_EVERY = 0.2
_EVENT = re.compile(rb"\bpolicies_(?:reloaded|rejected)\b")


async def tell_of_policies(plan: Plan) -> None:
    """Print what became of each change of the policies, until cancelled."""
    with plan.log.open("rb") as log:
        log.seek(0, os.SEEK_END)
        unfinished = b""
        while True:
            *lines, unfinished = (unfinished + log.read()).split(b"\n")
            if any(map(_EVENT.search, lines)):
                # The line says that something happened, in the form that config.yaml asks for;
                # the folder says what.
                found = read_policies(plan.config.policies, plan.config.kinds)
                print(what_became_of(found), flush=True)
            await asyncio.sleep(_LOOK_EVERY)


def what_became_of(found: Policies | tuple[Problem, ...]) -> str:
    """In words: `found` is in force, or its problems are why something else is."""
    if isinstance(found, tuple):
        problems = (f"  {problem}" for problem in found)
        return "\n".join(
            ("The policies cannot be used; the last good ones stay in force:", *problems)
        )
    by_domain = {policy.domain: policy.sso for policy in found.by_domain.values()}
    listed = ", ".join(f"{domain} {sso}" for domain, sso in sorted(by_domain.items()))
    return f"The policies have changed. In force: {listed or 'none'}"
