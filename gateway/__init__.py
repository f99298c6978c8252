"""Sonar Gateway: single sign-on in front of a legacy application that nobody will change.

Read in this order:

    reasons.py, errors.py   the words for every outcome, the tree of what can break
    explanations.py         what a page says about each of those words
    email.py, secret.py     the two small values everything speaks in
    base64url.py            bytes as text
    address.py              whose an IP address is, where attempts are counted
    tasks.py                tasks beside the requests; work done a few at a time
    private.py, whole.py    files that nobody else may read; files written whole or not at all
    config.py, settings/    what can be set
    yamlfile.py, section.py how files are read: strictly, every problem at once, with its line;
                            yamlsyntax.py says what breaks one,
                            values.py, names.py, urls.py, secret_values.py check each value
    edge/                   every request: bytes in -> decision -> bytes out
    policy/                 may this domain, this person, use SSO?
    identity/               who does the provider say this is?
    account/                which Sonar account is that? `account/resolution.py` is the heart
    session/                is this browser signed in?
    portal/                 the pages under /sso/
    mail/                   letters to the owners of accounts
    operate/                health, metrics, logs
    service.py              builds one process from a Config, starts it, drains it;
                            parts.py has what all of it shares, sign_ins.py what only sign-ins need
    workers/                several such processes, and the one that looks after them
    cli.py, commands/       the commands

A request runs  client -> head -> session -> decision -> (headers -> upstream) | portal | replies,
and a sign-in   sign_in -> provider -> claims -> directory/links -> resolution -> session.
Neither ever calls back.

What every request runs through may have been compiled, from this same source: compiled.py.
"""

from gateway.compiled import use

use()

__version__ = "0.1.0"
