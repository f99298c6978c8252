"""Write docs/reasons.md: every reason, what its person reads, what an operator does about it.

    python -m tools.reasons_page

The reasons and what a page says come from gateway/; what an operator does stands here.
"""

from collections.abc import Iterator
from pathlib import Path

from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason

PAGE = Path(__file__).parent.parent / "docs" / "reasons.md"

_INTRODUCTION = """\
# Reasons

<!-- Made by `python -m tools.reasons_page`; change it there. -->

One word for why, the same on a page, in the access log, the audit and the metrics. Somebody who asks for help quotes the number on their page: `sonar-gateway audit --request NUMBER` has what was decided, step by step, and the access log has every request under `request_id`. `sonar-gateway explain EMAIL` says what a sign-in would lead to now. More: [operating](operating.md), [when parts are down](failures.md), [policies](policies.md).
"""  # noqa: E501 - a paragraph of Markdown is a line

# `## section`, then a line for each reason, in any order.
_FOR_OPERATORS = """
## Signed in
matched: Nothing. The address is on the account in Sonar (`match_purposes` of the policy).
linked: Nothing. `sonar-gateway links list` has the link.
preferred: Nothing.
chosen: Nothing.
proved: Nothing. The owner hears of the link, [here or by letter](operating.md#the-owner-of-an-account-hears-of-a-new-link).

## Asked to choose or to prove
several_accounts: Nothing.
no_account: If the account should open by itself: add the address to it in Sonar, for a purpose in `match_purposes`.
email_untrusted: If it happens to a whole company: list its tenant under `providers.microsoft.tenants`, or look at Google's `hd`: [which email counts](policies.md#which-email-counts).
subject_changed: Another person at the provider has the address of one who signed in before: a mailbox that was given on, or a re-bought domain. Find out before you help; the password settles it.
shared_mailbox: Nothing; or another rule under `shared_mailboxes` of the policy.
link_removed: Nothing. The password switches it on again.
account_inactive: The account is switched off in Sonar. Switch it on there if that is wrong.
proof_stale: Nothing. How old a proof may be: `sessions.fresh_proof`.
proof_too_old: Many: `session.max_age` of the policy is shorter than the provider can be made to obey: [how old a proof may be](policies.md#how-old-a-proof-may-be).

## Refused by a policy
email_missing: The provider sent no address: look at the scopes and optional claims of the application there ([real providers](real-providers.md)).
no_policy: Write a policy for the domain, or for one that has it as an alias.
domain_off: `sonar-gateway pilots enable DOMAIN`, when it is time: [from off to pilot to on](policies.md#from-off-to-pilot-to-on).
not_pilot_user: `sonar-gateway pilots enable EMAIL`.
blocked_user: `sonar-gateway users unblock EMAIL`, if it is over.
provider_not_allowed: Add the provider to the policy's `providers`, if its people may use it.
shared_mailbox_refused: The policy's rule says so. `password` instead lets each reader prove their own account.

## The provider's answer was refused
provider_denied: Many from one company: its administrator has to approve the application. At Microsoft: *Enterprise applications*, *grant admin consent*.
provider_error: Look at `why` in the audit: it is the provider's own word. Often a redirect URI or a client secret that has changed there ([real providers](real-providers.md)).
provider_unknown: Many: an old bookmark, or a button left from a provider that config.yaml no longer names.
callback_malformed: One: nothing. Many: something between rewrites addresses, or somebody tries.
code_refused: One: the back button. Many: look at the client secret and at the clock.
refresh_refused: Nothing: the provider says that the account may not go on.
token_malformed: Report it, with the audit's `why`: a provider does not send that. Many: somebody tries.
token_algorithm: As for `token_malformed`.
token_key_unknown: The provider rolled its keys and they could not be fetched yet (every 5 minutes at most), or somebody tries. Look for `provider_document_stale`.
token_key_issuer: As for `token_malformed`.
token_signature: As for `token_malformed`.
token_issuer: Look at `tenant` and `discovery_url` of the provider in config.yaml.
token_tenant: The tenant is not the one in `providers.microsoft.tenant`, or it is that of personal accounts.
token_audience: Look at `client_id` of the provider in config.yaml.
token_authorized_party: As for `token_audience`.
token_nonce: As for `token_malformed`: an answer to another sign-in.
token_expired: Look at the clocks, here first (NTP). `providers.X.clock_skew` is how far they may be apart.
token_issued_at: As for `token_expired`.
token_subject: Look at the scopes of the application there: `openid profile email`.
token_email: As for `token_malformed`: an address that is none.

## What a provider told of its own accord
provider_signed_out: Nothing.
provider_alarm: Nothing here. Google thinks that the account is in danger, or it was closed: ask its owner.
token_event: Look at what is [registered](real-providers.md) there.
token_replayed: One: the provider told twice. Many: somebody tries.
logout_unknown: Nothing. Many: they are another application's.
logout_throttled: Many sign-outs of nobody from one address: somebody guesses.

## Ended by an operator
revoked: `sonar-gateway audit --reason revoked` says by whom.

## The browser's side of a sign-in was refused
transaction_unknown: One: another browser, the back button, cookies switched off. Everybody: the public address is not `server.public_url`, so that the cookie does not come back.
transaction_expired: Nothing.
transaction_used: Nothing.
form_forged: One: a page that was open for long. Many: somebody tries, or the keys were lost (`var/keys`).
script_refused: Look in Sonar's own pages for a script that is not Sonar's (cross-site scripting). The address in the audit is that of the person who had such a page open.
form_not_sent: Nothing; [which forms are kept](operating.md#forms-that-met-no-session).
form_gone: Nothing.
password_wrong: Many for one account or address: somebody guesses; the audit has the address.
password_throttled: As for `password_wrong`. How many, and how long: `passwords` in config.yaml.
username_throttled: Somebody guesses at this username, or its owner forgot the password: `sonar-gateway audit --reason username_throttled`, and `password_wrong`, name who and from where. The owner is let in on Sonar's own page meanwhile.
account_not_offered: One: it was taken away meanwhile. Many: somebody tries.
proof_of_another: One: two accounts at the provider. Many: somebody is at another's computer.

## Requests
not_signed_in: Nothing. If a program meets it that needs no sign-in: `upstream.public_paths`.
session_expired: Nothing. Many at once: sessions were ended (`sonar-gateway audit --event session_ended`), the store was emptied, or the keys were lost. How long they last: `sessions.idle`, `lifetime`, and the policy.
request_malformed: One browser: an extension or a proxy in between. Many: a scanner.
request_too_large: `limits`; often too many cookies on the domain.
request_too_slow: `limits`. Many from few addresses: an attack by slowness, which is being refused.
body_too_large: `limits.body`, if Sonar takes more.
not_found: Nothing.
method_not_allowed: Nothing.
origin_foreign: A page of another site opens WebSockets to Sonar in the name of who is signed in. If it is yours: serve it from Sonar's own origin.
proxy_header_malformed: `server.proxy_protocol` is on, and the balancer does not send it; or the other way round.
connections_full: Raise `limits.connections` and the limit of descriptors, or add a process.
connections_of_address: An attack, an office behind one address (`limits.connections_per_address`), or a proxy that is missing in `server.trusted_proxies`.
peer_untrusted: Name the proxy in `server.trusted_proxies`.
plain_http: Somebody typed `http://`. Many: a proxy or a link that should say https.

## Something broke
upstream_refused: [When Sonar refuses](verifying.md#when-sonar-refuses): issuer, audience, keys.
upstream_unavailable: Look at Sonar, and at `upstream_down` and `request_failed` in the log.
upstream_timeout: Sonar is too slow, or `upstream.response_timeout` too short.
upstream_malformed: Sonar's reply could be read in two ways, or broke off; `request_failed` says how.
provider_unavailable: Whether the provider can be reached from here: `sonar-gateway check`.
directory_unavailable: Sonar's accounts cannot be read: `part_down` in the log says why; `sonar-gateway check`.
links_unavailable: The gateway's own database does not answer: `part_down`; `sonar-gateway check`.
audit_unavailable: With `audit.required` nobody gets in unrecorded. `audit_failing` in the log says why.
sessions_unavailable: The session store does not answer: `part_down`; `sonar-gateway check`.
internal_error: A fault of ours. Report it with the traceback, which the log has under the same `request_id`.
"""  # noqa: E501 - so is a cell


def page() -> str:
    """The whole page. Raises `KeyError` and `ValueError` for a reason that has no words, or words
    that have no reason."""
    return f"{_INTRODUCTION}\n" + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    left = set(Reason)
    for line in _FOR_OPERATORS.strip().splitlines():
        if line.startswith("## "):
            yield f"{line}\n\n| reason | its page says | to the person | what an operator does |"
            yield "| --- | --- | --- | --- |"
        elif line:
            name, _, does = line.partition(": ")
            reason = Reason(name)
            left.remove(reason)
            told = EXPLANATIONS[reason]
            yield f"| `{reason}` | **{told.title}** {told.cause} | {told.way_out} | {does} |"
        else:
            yield ""
    if left:
        raise ValueError(f"no words for operators about {', '.join(sorted(left))}")


if __name__ == "__main__":
    PAGE.write_text(page())
