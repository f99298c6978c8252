"""The stand-ins as one aiohttp application."""

from aiohttp import web
from aiohttp.typedefs import Handler

from demo.providers.authorize import authorize, signed_out
from demo.providers.faults import overridden
from demo.providers.standin import Provider, StandIn
from demo.providers.token import token

_STAND_IN = web.AppKey("stand_in", StandIn)


def make_app(stand_in: StandIn) -> web.Application:
    """Serve both providers; run it where `make_stand_in` was told."""
    app = web.Application(middlewares=[_down])
    app[_STAND_IN] = stand_in
    app.add_routes(
        [
            web.get("/google/.well-known/openid-configuration", _google_document),
            web.get("/google/keys", _google_keys),
            web.get("/google/authorize", _google_authorize),
            web.post("/google/authorize", _google_authorize),
            web.post("/google/token", _google_token),
            web.get(
                "/microsoft/{tenant}/v2.0/.well-known/openid-configuration", _microsoft_document
            ),
            web.get("/microsoft/{tenant}/discovery/v2.0/keys", _microsoft_keys),
            web.get("/microsoft/{tenant}/oauth2/v2.0/authorize", _microsoft_authorize),
            web.post("/microsoft/{tenant}/oauth2/v2.0/authorize", _microsoft_authorize),
            web.post("/microsoft/{tenant}/oauth2/v2.0/token", _microsoft_token),
            web.get("/microsoft/{tenant}/oauth2/v2.0/logout", _microsoft_logout),
        ]
    )
    return app


@web.middleware
async def _down(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A provider that is `down` answers every request with 503."""
    provider = _google(request) if request.path.startswith("/google/") else _microsoft(request)
    return web.Response(status=503) if provider.down else await handler(request)


def _google(request: web.Request) -> Provider:
    return request.app[_STAND_IN].google


def _microsoft(request: web.Request) -> Provider:
    return request.app[_STAND_IN].microsoft


async def _google_document(request: web.Request) -> web.Response:
    provider = _google(request)
    return _document(
        provider,
        {
            "issuer": provider.base,
            "authorization_endpoint": f"{provider.base}/authorize",
            "token_endpoint": f"{provider.base}/token",
            "jwks_uri": f"{provider.base}/keys",
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": True,
        },
    )


async def _microsoft_document(request: web.Request) -> web.Response:
    """For `common` and `organizations` the issuer is a template, as Entra's is."""
    provider, tenant = _microsoft(request), request.match_info["tenant"]
    named = "{tenantid}" if tenant in {"common", "organizations"} else tenant
    base = f"{provider.base}/{tenant}"
    return _document(
        provider,
        {
            "issuer": f"{provider.base}/{named}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
        },
    )


def _document(provider: Provider, own: dict[str, object]) -> web.Response:
    provider.requests["discovery"] += 1
    common: dict[str, object] = {
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise" if provider.kind == "microsoft" else "public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    }
    return web.json_response(overridden(common | own, provider.document_changes))


async def _google_keys(request: web.Request) -> web.Response:
    return _keys(_google(request))


async def _microsoft_keys(request: web.Request) -> web.Response:
    return _keys(_microsoft(request))


def _keys(provider: Provider) -> web.Response:
    provider.requests["keys"] += 1
    return web.json_response({"keys": [key.published() for key in provider.keys]})


async def _google_authorize(request: web.Request) -> web.Response:
    return await authorize(request, _google(request), None)


async def _microsoft_authorize(request: web.Request) -> web.Response:
    return await authorize(request, _microsoft(request), request.match_info["tenant"])


async def _google_token(request: web.Request) -> web.Response:
    return await token(request, _google(request))


async def _microsoft_token(request: web.Request) -> web.Response:
    return await token(request, _microsoft(request))


async def _microsoft_logout(request: web.Request) -> web.Response:
    return signed_out(request, _microsoft(request))
