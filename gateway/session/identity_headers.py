"""The header lines that tell upstream who is signed in."""

from unicodedata import category

from gateway.config import IdentityHeaders
from gateway.errors import DirectoryUnavailable
from gateway.session.assertion import AssertionMinter
from gateway.session.model import Session

# An assertion is replaced this long before it ends, so that a slow request or a clock that is a
# little ahead at upstream does not meet one that has just ended.
_RENEW_BEFORE = 60.0


class IdentityLines:
    """Builds `Name: value` lines from a session, with the configured names."""

    def __init__(self, names: IdentityHeaders, minter: AssertionMinter) -> None:
        self._names = names
        self._minter = minter
        self.renewed_after = max(minter.lifetime - _RENEW_BEFORE, minter.lifetime / 2)

    def build(self, session: Session, now: float) -> bytes:
        """Every line with its CRLF, in UTF-8; no line for the email when the account has none.

        Raises `DirectoryUnavailable` when the directory gave what cannot be a header's value.
        """
        account = session.account
        values = {
            self._names.account_id: _checked(account.id),
            self._names.username: _checked(account.username),
            self._names.provider: session.identity.provider,
            self._names.assertion: self._minter.mint(session, now),
        }
        email = account.email()
        if email is not None:
            values[self._names.email] = str(email)
        return "".join(f"{name}: {value}\r\n" for name, value in values.items()).encode()


# Unicode categories: control characters (C0, C1, DEL), lone surrogates, line and paragraph ends.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def _checked(value: str) -> str:
    """The value, unless upstream could read it as another header, or otherwise than we do.

    A line break in a username would let its owner write headers of his own (header injection);
    spaces at the ends are cut off by receivers, which would make two usernames one.
    """
    if not value:
        raise DirectoryUnavailable("an account has no id or no username")
    if any(category(character) in _UNSAFE for character in value):
        raise DirectoryUnavailable("an account's id or username has a control character in it")
    if value != value.strip():
        raise DirectoryUnavailable("an account's id or username begins or ends with a space")
    return value
