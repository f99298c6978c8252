"""The closed list of reasons: one word for why, the same in code, log, metric, page and test.

A reason says why a person was signed in, asked for something, or refused; explanations.py has what
a page says about it. Nothing outside this list is ever shown or logged as a reason. Pure.
"""

from enum import StrEnum


class Reason(StrEnum):
    # signed in
    MATCHED = "matched"
    LINKED = "linked"
    PREFERRED = "preferred"
    CHOSEN = "chosen"
    PROVED = "proved"
    # asked to choose or to prove
    SEVERAL_ACCOUNTS = "several_accounts"
    NO_ACCOUNT = "no_account"
    EMAIL_UNTRUSTED = "email_untrusted"
    SUBJECT_CHANGED = "subject_changed"
    SHARED_MAILBOX = "shared_mailbox"
    LINK_REMOVED = "link_removed"
    ACCOUNT_INACTIVE = "account_inactive"
    PROOF_STALE = "proof_stale"
    PROOF_TOO_OLD = "proof_too_old"
    # refused by policy
    EMAIL_MISSING = "email_missing"
    NO_POLICY = "no_policy"
    DOMAIN_OFF = "domain_off"
    NOT_PILOT_USER = "not_pilot_user"
    BLOCKED_USER = "blocked_user"
    PROVIDER_NOT_ALLOWED = "provider_not_allowed"
    SHARED_MAILBOX_REFUSED = "shared_mailbox_refused"
    # the provider's answer was refused
    PROVIDER_DENIED = "provider_denied"
    PROVIDER_ERROR = "provider_error"
    PROVIDER_UNKNOWN = "provider_unknown"
    CALLBACK_MALFORMED = "callback_malformed"
    CODE_REFUSED = "code_refused"
    REFRESH_REFUSED = "refresh_refused"
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a reason, not a secret
    TOKEN_ALGORITHM = "token_algorithm"  # noqa: S105
    TOKEN_KEY_UNKNOWN = "token_key_unknown"  # noqa: S105
    TOKEN_KEY_ISSUER = "token_key_issuer"  # noqa: S105
    TOKEN_SIGNATURE = "token_signature"  # noqa: S105
    TOKEN_ISSUER = "token_issuer"  # noqa: S105
    TOKEN_TENANT = "token_tenant"  # noqa: S105
    TOKEN_AUDIENCE = "token_audience"  # noqa: S105
    TOKEN_AUTHORIZED_PARTY = "token_authorized_party"  # noqa: S105
    TOKEN_NONCE = "token_nonce"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_ISSUED_AT = "token_issued_at"  # noqa: S105
    TOKEN_SUBJECT = "token_subject"  # noqa: S105
    TOKEN_EMAIL = "token_email"  # noqa: S105
    # what the provider told of its own accord was believed, or refused
    PROVIDER_SIGNED_OUT = "provider_signed_out"
    PROVIDER_ALARM = "provider_alarm"
    TOKEN_EVENT = "token_event"  # noqa: S105
    TOKEN_REPLAYED = "token_replayed"  # noqa: S105
    LOGOUT_UNKNOWN = "logout_unknown"
    LOGOUT_THROTTLED = "logout_throttled"
    # an operator ended it
    REVOKED = "revoked"
    # the browser's side of a sign-in was refused
    TRANSACTION_UNKNOWN = "transaction_unknown"
    TRANSACTION_EXPIRED = "transaction_expired"
    TRANSACTION_USED = "transaction_used"
    FORM_FORGED = "form_forged"
    SCRIPT_REFUSED = "script_refused"
    FORM_NOT_SENT = "form_not_sent"
    FORM_GONE = "form_gone"
    PASSWORD_WRONG = "password_wrong"  # noqa: S105
    PASSWORD_THROTTLED = "password_throttled"  # noqa: S105
    USERNAME_THROTTLED = "username_throttled"
    ACCOUNT_NOT_OFFERED = "account_not_offered"
    PROOF_OF_ANOTHER = "proof_of_another"
    # requests
    NOT_SIGNED_IN = "not_signed_in"
    SESSION_EXPIRED = "session_expired"
    REQUEST_MALFORMED = "request_malformed"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_TOO_SLOW = "request_too_slow"
    BODY_TOO_LARGE = "body_too_large"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ORIGIN_FOREIGN = "origin_foreign"
    PROXY_HEADER_MALFORMED = "proxy_header_malformed"
    CONNECTIONS_FULL = "connections_full"
    CONNECTIONS_OF_ADDRESS = "connections_of_address"
    PEER_UNTRUSTED = "peer_untrusted"
    PLAIN_HTTP = "plain_http"
    # something broke
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_MALFORMED = "upstream_malformed"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    DIRECTORY_UNAVAILABLE = "directory_unavailable"
    LINKS_UNAVAILABLE = "links_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    SESSIONS_UNAVAILABLE = "sessions_unavailable"
    INTERNAL_ERROR = "internal_error"
