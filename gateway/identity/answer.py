"""The authorization response: what the provider put into the browser's URL, and may be forged.

Checked in the order in which each check protects the next: no parameter twice, our `state`, the
provider's name (RFC 9207), then error or code.
"""

import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc6749.parameters import parse_authorization_code_response
from multidict import MultiMapping

from gateway.identity.discovery import Document
from gateway.identity.entra import is_issuer
from gateway.identity.model import Refused
from gateway.reasons import Reason

# RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6 name them like this; whatever
# else stands there was written by somebody who wants it in our log.
ERROR_CODE = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code that came with our `state`; `issuer` is what the response names."""

    code: str
    issuer: str | None


def read_answer(params: MultiMapping[str], state: str, document: Document) -> Code | Refused:
    """The code in an authorization response, or why it is none."""
    if len(set(params)) != len(params):
        # Two programs reading one URL may take a different one of two (RFC 6749 section 3.1).
        return Refused(Reason.CALLBACK_MALFORMED, "a parameter stands there twice")
    given = params.get("state", "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), state.encode()):
        return Refused(Reason.CALLBACK_MALFORMED, "state is not this sign-in's")
    issuer = params.get("iss")
    if issuer is not None and not is_issuer(issuer, document.issuer):
        # Mix-up: another provider's answer, brought here to have its code sent to this one.
        return Refused(Reason.CALLBACK_MALFORMED, "iss is another provider")
    if "error" in params:
        return _error(params["error"])
    if issuer is None and document.authorization_response_iss_parameter_supported:
        # Demanded with a code only; an error gives nothing away.
        return Refused(Reason.CALLBACK_MALFORMED, "iss is absent, and the provider sends it")
    try:
        answer = parse_authorization_code_response(f"?{urlencode(list(params.items()))}", state)
    except (AuthlibBaseError, UnicodeError):
        return Refused(Reason.CALLBACK_MALFORMED, "neither code nor error")
    return Code(answer["code"], issuer)


def _error(error: str) -> Refused:
    if error == "access_denied":
        return Refused(Reason.PROVIDER_DENIED, error)
    shown = error if ERROR_CODE.fullmatch(error) else "not a known error"
    return Refused(Reason.PROVIDER_ERROR, shown)
