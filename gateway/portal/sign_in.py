"""The sign-in page, the way to the provider, and the way back with what it says."""

from aiohttp import web

from gateway.account.facts import pin_first
from gateway.account.resolution import Choose, Prove, Refuse, SignIn
from gateway.errors import Unavailable
from gateway.identity.model import Identity, Refused
from gateway.identity.provider import ProviderClient
from gateway.identity.transaction import Transaction
from gateway.portal.candidates import decide, stand
from gateway.portal.completion import complete
from gateway.portal.pages import (
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
from gateway.portal.visit import Visit, add_cookie, claim, signed_in
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
        for_settings=next_path.partition("?")[0] == SETTINGS,
        password=password_action(visit, next_path),
    )


async def start(visit: Visit) -> web.Response:
    """Off to the provider, with a transaction of this tab's own in a cookie."""
    transactions, next_path = visit.parts.transactions, visit.next()
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    if provider is None:
        return refusal(visit, Reason.PROVIDER_UNKNOWN, start_over(next_path))
    transaction = transactions.begin(provider.name, next_path, visit.now)
    select_account = visit.query("select_account") is not None
    url = await provider.authorization_url(
        transaction, login_hint=visit.query("login_hint"), select_account=select_account
    )
    response = see_other(url)
    for cookie in transactions.surplus(visit.request.cookies, visit.now):
        add_cookie(response, cookie)
    add_cookie(response, transactions.keep(transaction))
    return response


async def callback(visit: Visit) -> web.Response:
    """The whole of a sign-in, top to bottom: transaction, provider, account, session."""
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    if provider is None:
        return refusal(visit, Reason.PROVIDER_UNKNOWN, start_over("/"))
    transaction = _transaction(visit, provider.name)
    if isinstance(transaction, Refused):
        entry_id = (visit.query("state") or "").partition(".")[0]
        return refused_transaction(visit, transaction, entry_id)
    if not await claim(visit, transaction.id):
        return used_transaction(visit, transaction.next)
    try:
        response = await _answered(visit, provider, transaction)
    except Unavailable as error:
        response = broken(visit, error, transaction.next)
    add_cookie(response, visit.parts.transactions.drop(transaction.id))
    return response


async def _answered(
    visit: Visit, provider: ProviderClient, transaction: Transaction
) -> web.Response:
    identity = await provider.identify(transaction, visit.request.query, visit.now)
    if isinstance(identity, Refused):
        return refused_answer(visit, provider.name, identity, transaction.next)
    return await _arrive(visit, identity, transaction.next)


def _transaction(visit: Visit, provider: str) -> Transaction | Refused:
    """This browser's transaction for the answer in the address."""
    state = visit.query("state")
    if state is None:
        return Refused(Reason.CALLBACK_MALFORMED, "no state, or several")
    transaction = visit.parts.transactions.of_state(state, visit.request.cookies, visit.now)
    if isinstance(transaction, Transaction) and transaction.provider != provider:
        # One provider's code sent to another's token endpoint: the mix-up attack of RFC 9700
        # section 4.4.
        return Refused(Reason.CALLBACK_MALFORMED, "the transaction is another provider's")
    return transaction


async def _arrive(visit: Visit, identity: Identity, next_path: str) -> web.Response:
    """A verified identity: the account it opens, the question it raises, or the refusal."""
    policy = visit.policies.for_email(identity.email) if identity.email else None
    await pin_first(identity, policy, visit.parts.links)
    standing = await stand(visit, identity)
    if isinstance(standing, Refuse):
        return refused_identity(visit, identity, standing, next_path)
    match decide(standing, identity):
        case SignIn(account=account, reason=reason):
            return await complete(visit, identity, standing, account, reason, next_path)
        case Choose(reason=reason):
            return _ask(visit, identity, reason, next_path, "/sso/accounts")
        case Prove(reason=reason):
            return _ask(visit, identity, reason, next_path, "/sso/link")
        case Refuse() as refused:
            return refused_identity(visit, identity, refused, next_path)


def _ask(
    visit: Visit, identity: Identity, reason: Reason, next_path: str, path: str
) -> web.Response:
    """Carry the verified identity, sealed, to the page that asks which account."""
    transactions = visit.parts.transactions
    proven = transactions.prove(identity, next_path, reason, visit.now)
    response = see_other(link_to(path, tx=proven.id))
    add_cookie(response, transactions.keep(proven))
    return response
