"""The browser on its way to a provider, with a transaction of this tab's own in a cookie."""

from aiohttp import web

from gateway.identity.provider import ProviderClient
from gateway.identity.transaction import Transaction
from gateway.portal.pages import see_other
from gateway.portal.visit import Visit, add_cookie


async def depart(
    visit: Visit,
    provider: ProviderClient,
    transaction: Transaction,
    *,
    login_hint: str | None = None,
    select_account: bool = False,
) -> web.Response:
    """Raises ProviderUnavailable."""
    transactions = visit.parts.transactions
    url = await provider.authorization_url(
        transaction, login_hint=login_hint, select_account=select_account
    )
    response = see_other(url)
    for cookie in transactions.surplus(visit.cookies, visit.now):
        add_cookie(response, cookie)
    add_cookie(response, transactions.keep(transaction))
    return response
