"""Keys and records for the tests of the audit."""

from gateway.operate.audit.chain import Record
from gateway.session.keys import KeyRing
from gateway.session.keys.model import root_key

OLD, NEW, FOREIGN = "261123124700old0", "261124124700new0", "261125124700bad0"
_ROOTS = {OLD: b"o" * 32, NEW: b"n" * 32, FOREIGN: b"f" * 32}


def ring(*key_ids: str) -> KeyRing:
    """A ring of these root keys, the newest of them in use."""
    return KeyRing(root_key(key_id, _ROOTS[key_id]) for key_id in key_ids)


def a_record(number: int = 1, **values: str) -> Record:
    """A sign-in of somebody of their own, at `number` seconds."""
    usual = {"reason": "matched", "email": f"p{number}@acme.example", "account": str(number)}
    return Record(float(number), "sign_in", **(usual | values))
