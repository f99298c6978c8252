"""The sign-in page, the way to the provider, and the way back with what it says."""

from aiohttp import web

from gateway.account.facts import pin_first
from gateway.account.resolution import Choose, Prove, Refuse, SignIn
from gateway.errors import Unavailable
from gateway.identity.model import Refused
from gateway.identity.provider import Arrival, ProviderClient
from gateway.identity.transaction import Proven, Transaction
from gateway.policy.model import Policy
from gateway.portal import confirm
from gateway.portal.candidates import decide, stand
from gateway.portal.carried import carry
from gateway.portal.completion import complete
from gateway.portal.pages import (
    KEPT_FORM,
    link_to,
    page,
    password_action,
    refusal,
    see_other,
    start_over,
)
from gateway.portal.refusals import (
    broken,
    refused_answer,
    refused_identity,
    refused_transaction,
    used_transaction,
)
from gateway.portal.settings import PATH as SETTINGS
from gateway.portal.trip import depart
from gateway.portal.visit import Visit, add_cookie, signed_in, use_up
from gateway.reasons import Reason


async def show(visit: Visit) -> web.Response:
    """The sign-in page; who is signed in already goes on, unless they come to switch."""
    next_path = visit.next()
    if visit.query("switch") is None and await signed_in(visit) is not None:
        return see_other(next_path)
    return page(
        visit,
        "sign_in.html",
        providers=[
            {
                "label": provider.label,
                "kind": provider.kind,
                "href": link_to(f"/sso/login/{provider.name}", next=next_path),
            }
            for provider in visit.parts.providers
        ],
        onward=next_path != "/",
        for_form=next_path.partition("?")[0] == KEPT_FORM,
        for_settings=next_path.partition("?")[0] == SETTINGS,
        password=password_action(visit, next_path),
    )


async def start(visit: Visit) -> web.Response:
    """Off to the provider, with a transaction of this tab's own in a cookie."""
    next_path = visit.next()
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    if provider is None:
        return refusal(visit, Reason.PROVIDER_UNKNOWN, start_over(next_path))
    return await depart(
        visit,
        provider,
        Transaction.begin(provider.name, next_path, visit.now),
        login_hint=visit.query("login_hint"),
        select_account=visit.query("select_account") is not None,
    )


async def callback(visit: Visit) -> web.Response:
    """The whole of a sign-in, top to bottom: transaction, provider, account, session."""
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    if provider is None:
        return refusal(visit, Reason.PROVIDER_UNKNOWN, start_over("/"))
    transaction = _transaction(visit, provider.name)
    if isinstance(transaction, Refused):
        states = visit.request.query.getall("state", [])
        return refused_transaction(visit, transaction, *(text.partition(".")[0] for text in states))
    try:
        if not await use_up(visit, transaction.id):
            return used_transaction(visit, transaction.next)
        response = await _answered(visit, provider, transaction)
    except Unavailable as error:
        response = broken(visit, error, transaction.next)
    add_cookie(response, visit.parts.transactions.drop(transaction.id))
    return response


async def _answered(
    visit: Visit, provider: ProviderClient, transaction: Transaction
) -> web.Response:
    arrival = await provider.arrive(transaction, visit.request.query, visit.now)
    if transaction.confirms is not None:
        identity = arrival.identity if isinstance(arrival, Arrival) else arrival
        return await confirm.returned(visit, transaction, identity)
    if isinstance(arrival, Refused):
        return refused_answer(visit, provider.name, arrival, transaction.next)
    return await _arrive(visit, provider, transaction, arrival)


def _transaction(visit: Visit, provider: str) -> Transaction | Refused:
    """This browser's transaction for the answer in the address."""
    state = visit.query("state")
    if state is None:
        return Refused(Reason.CALLBACK_MALFORMED, "no state, or several")
    transaction = visit.parts.transactions.of_state(state, visit.cookies, visit.now)
    if isinstance(transaction, Transaction) and transaction.provider != provider:
        # One provider's code sent to another's token endpoint: the mix-up attack of RFC 9700
        # section 4.4.
        return Refused(Reason.CALLBACK_MALFORMED, "the transaction is another provider's")
    return transaction


async def _arrive(
    visit: Visit, provider: ProviderClient, transaction: Transaction, arrival: Arrival
) -> web.Response:
    """A verified identity: the account it opens, the question it raises, or the refusal."""
    identity, next_path = arrival.identity, transaction.next
    policy = visit.policies.for_email(identity.email) if identity.email else None
    await pin_first(identity, policy, visit.parts.links)
    standing = await stand(visit, identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, identity, standing, next_path)
    resolution = decide(standing, identity)
    opens = isinstance(resolution, SignIn | Choose)
    if opens and standing.policy.demands_proof(identity, visit.now):
        return await _demand(visit, provider, transaction, arrival, standing.policy)
    match resolution:
        case SignIn(account=account, reason=reason):
            token = arrival.refresh_token
            return await complete(
                visit, identity, standing, account, reason, next_path, refresh_token=token
            )
        case Choose(reason=reason):
            return await _ask(visit, arrival, reason, next_path, "/sso/accounts")
        case Prove(reason=reason):
            return await _ask(visit, arrival, reason, next_path, "/sso/link")
        case Refuse() as refused:
            return refused_identity(visit, identity, refused, next_path)


async def _demand(
    visit: Visit,
    provider: ProviderClient,
    transaction: Transaction,
    arrival: Arrival,
    policy: Policy,
) -> web.Response:
    """The policy wants a newer proof than the provider spoke of: from the provider, asked once, if
    it can be made to ask; else the Sonar password."""
    if transaction.max_age is None and await provider.reauthenticates():
        again = Transaction.begin(
            provider.name, transaction.next, visit.now, max_age=policy.max_age
        )
        return await depart(visit, provider, again, login_hint=str(arrival.identity.email))
    return await _ask(visit, arrival, Reason.PROOF_TOO_OLD, transaction.next, "/sso/link")


async def _ask(
    visit: Visit, arrival: Arrival, reason: Reason, next_path: str, path: str
) -> web.Response:
    """Carry the verified identity, sealed, to the page that asks which account."""
    transactions = visit.parts.transactions
    proven = Proven.of(arrival.identity, next_path, reason, visit.now)
    if arrival.refresh_token is not None:
        await carry(visit, proven, arrival.refresh_token)
    response = see_other(link_to(path, tx=proven.id))
    add_cookie(response, transactions.keep(proven))
    return response
