"""Passwords against hashes of every scheme, each written by that scheme's own writer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import argon2
import bcrypt
import passlib.hash
import pytest
import structlog

from gateway.account import hashes
from gateway.account.hashes import Verdict
from gateway.account.passwords import Passwords
from gateway.errors import DirectoryUnavailable
from gateway.secret import Secret

# Cheap ones, so that the table is quick; what costs time is not what is tested here.
_ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def _bcrypt(prefix: str) -> Callable[[str], str]:
    def write(password: str) -> str:
        # As PHP and older libraries: what is beyond 72 bytes is not looked at.
        secret = password.encode()[:72]
        return "$" + prefix + bcrypt.hashpw(secret, bcrypt.gensalt(4)).decode()[3:]

    return write


def _argon2(kind: argon2.Type) -> Callable[[str], str]:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=kind).hash


def _passlib(name: str, **settings: Any) -> Callable[[str], str]:
    handler: Any = getattr(passlib.hash, name)
    return lambda password: str(handler.using(**settings).hash(password))


SCHEMES: dict[str, Callable[[str], str]] = {
    "bcrypt 2a": _bcrypt("2a"),
    "bcrypt 2b": _bcrypt("2b"),
    "bcrypt 2y": _bcrypt("2y"),
    "argon2id": _argon2(argon2.Type.ID),
    "argon2i": _argon2(argon2.Type.I),
    "argon2d": _argon2(argon2.Type.D),
    "phpass P": _passlib("phpass", rounds=7, ident="P"),
    "phpass H": _passlib("phpass", rounds=7, ident="H"),
    "pbkdf2 sha1": _passlib("pbkdf2_sha1", rounds=10),
    "pbkdf2 sha256": _passlib("pbkdf2_sha256", rounds=10),
    "pbkdf2 sha512": _passlib("pbkdf2_sha512", rounds=10),
    "django sha1": _passlib("django_pbkdf2_sha1", rounds=10),
    "django sha256": _passlib("django_pbkdf2_sha256", rounds=10),
    "sha512-crypt": _passlib("sha512_crypt", rounds=1000),
    "sha512-crypt, rounds unsaid": _passlib("sha512_crypt", rounds=5000),
    "sha256-crypt": _passlib("sha256_crypt", rounds=1000),
    "md5-crypt": _passlib("md5_crypt"),
    "apr1": _passlib("apr_md5_crypt"),
}

RIGHT = {
    "plain": "hunter2",
    "one letter": "x",
    "blanks": "  two  words ",
    "German": "Grüße vom Bürgerbüro",
    "Chinese": "密码很安全",
    "Arabic": "كلمة السر",
    "emoji": "🔑👩‍👩‍👧‍👦",
    "not normalised": "A\u030angstro\u0308m",
    "long": "correct horse battery staple " * 10,
    "SQL": "' OR 1=1 --",
}


@pytest.fixture(params=SCHEMES.values(), ids=list(SCHEMES))
def write(request: pytest.FixtureRequest) -> Callable[[str], str]:
    writer: Callable[[str], str] = request.param
    return writer


@pytest.mark.parametrize("password", RIGHT.values(), ids=RIGHT)
def test_the_right_password_is_right(write: Callable[[str], str], password: str) -> None:
    assert hashes.verify(password, write(password)) is Verdict.RIGHT


@pytest.mark.parametrize(
    "wrong", ["hunter3", "hunter", "hunter22", "Hunter2", "hunter2 ", "ｈunter2", "x" * 4096]
)
def test_another_password_is_wrong(write: Callable[[str], str], wrong: str) -> None:
    assert hashes.verify(wrong, write("hunter2")) is Verdict.WRONG


@pytest.mark.parametrize(
    "nobodys", ["", "\0", "hunter2\0", "hunter2\0more", "\ud800", "x" * 16385, "hunter2" * 1000]
)
def test_what_is_no_password_is_wrong_even_if_it_was_hashed(
    write: Callable[[str], str], nobodys: str
) -> None:
    assert hashes.verify(nobodys, write("hunter2")) is Verdict.WRONG


def test_letters_that_only_look_the_same_are_not_the_same() -> None:
    assert (
        hashes.verify("\u00c5ngstr\u00f6m", _ARGON2.hash("A\u030angstro\u0308m")) is Verdict.WRONG
    )


@pytest.mark.parametrize("prefix", ["2a", "2b", "2y"])
def test_bcrypt_reads_72_bytes_as_old_tables_were_written(prefix: str) -> None:
    stored = _bcrypt(prefix)("é" * 36 + "first")
    assert hashes.verify("é" * 36 + "second", stored) is Verdict.RIGHT
    assert hashes.verify("é" * 35 + "second", stored) is Verdict.WRONG


UNREADABLE = {
    "empty": "",
    "blank": " ",
    "locked as in /etc/shadow": "!",
    "no password as in /etc/shadow": "*",
    "plain text": "hunter2",
    "md5 in hex": "2ab96390c7dbe3439de74d0c9b0b1767",
    "DES": passlib.hash.des_crypt.hash("hunter2"),
    "LDAP plain text": "{CLEARTEXT}hunter2",
    "unknown scheme": "$9$abc$def",
    "scheme only": "$2y$",
    "bcrypt cut off": "$2y$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz0123",
    "bcrypt too long": "$2y$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz012345",
    "bcrypt, dear": "$2y$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234",
    "bcrypt, cost 0": "$2y$00$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234",
    "bcrypt 2x": "$2x$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234",
    "line break after": _bcrypt("2y")("hunter2") + "\n",
    "blank before": " " + _bcrypt("2y")("hunter2"),
    "argon2 cut off": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA",
    "argon2, dear memory": "$argon2id$v=19$m=9999999,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
    "argon2, dear passes": "$argon2id$v=19$m=65536,t=999,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
    "argon2, not base64": "$argon2id$v=19$m=65536,t=3,p=4$!!!!$????",
    "pbkdf2, dear": "$pbkdf2-sha256$99999999$c2FsdA$aGFzaA",
    "pbkdf2, no rounds": "$pbkdf2-sha256$0$c2FsdA$aGFzaA",
    "django, dear": "pbkdf2_sha256$99999999$salt$aGFzaA==",
    "phpass, dear": "$P$UIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
    "sha512-crypt, dear": "$6$rounds=99999999$salt$" + "a" * 86,
    "sha512-crypt cut off": "$6$salt$" + "a" * 85,
    "letters of another script": "$6$sält$" + "a" * 86,
    "a NUL": "$6$sa\0t$" + "a" * 86,
    "a digit of another script": "$pbkdf2-sha256$１０$c2FsdA$aGFzaA",
}


@pytest.mark.parametrize("stored", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_unreadable_hash_is_nobodys_password(stored: str, passwords: Passwords) -> None:
    assert hashes.verify("hunter2", stored) is Verdict.UNREADABLE
    with structlog.testing.capture_logs() as logs:
        assert not await passwords.verify(Secret("hunter2"), stored)
    assert logs
    assert not any(len(stored) > 1 and stored in repr(entry) for entry in logs)


@pytest.mark.parametrize("scheme", ["bcrypt 2y", "argon2id", "sha512-crypt", "phpass P"])
async def test_in_a_thread_or_in_a_process(scheme: str, passwords: Passwords) -> None:
    stored = SCHEMES[scheme]("密码 hunter2")
    assert await passwords.verify(Secret("密码 hunter2"), stored)
    assert not await passwords.verify(Secret("密码 hunter3"), stored)
    assert not await passwords.verify(Secret(""), stored)
    assert not await passwords.verify(Secret("\ud800"), stored)


async def test_people_at_once_get_their_own_answers(passwords: Passwords) -> None:
    """Also when some of them go away meanwhile."""
    stored = {name: SCHEMES[scheme](name) for name, scheme in zip("abcdef", SCHEMES, strict=False)}
    stored |= {name: SCHEMES["phpass P"](name) for name in "gh"}
    tasks = {
        (name, typed): asyncio.ensure_future(passwords.verify(Secret(typed), stored[name]))
        for name in stored
        for typed in ("a", "g", "wrong")
    }
    await asyncio.sleep(0)
    gone = [key for number, key in enumerate(tasks) if number % 3 == 2]
    for key in gone:
        tasks[key].cancel()
    answers = await asyncio.gather(*tasks.values(), return_exceptions=True)
    for key, answer in zip(tasks, answers, strict=True):
        if key not in gone:
            assert answer is (key[0] == key[1])


async def test_the_event_loop_goes_on_meanwhile(passwords: Passwords) -> None:
    """20 ms is what people would feel. Half of the turns, because others share the machine."""
    dear = [_passlib("sha512_crypt", rounds=200_000)("x"), _passlib("phpass", rounds=18)("x")]
    tasks = [asyncio.ensure_future(passwords.verify(Secret("x"), stored)) for stored in dear]
    turns = []
    while not all(task.done() for task in tasks):
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        turns.append(time.perf_counter() - before - 0.001)
    assert all(task.result() for task in tasks)
    assert sorted(turns)[len(turns) // 2] < 0.003
    assert sorted(turns)[len(turns) * 9 // 10] < 0.020


async def test_no_more_than_the_cap_run_at_once() -> None:
    passwords = Passwords(1)
    stored = _passlib("phpass", rounds=16)("x")
    alone = await _seconds(passwords.verify(Secret("x"), stored))
    together = await _seconds(
        asyncio.gather(*(passwords.verify(Secret("x"), stored) for _ in range(4)))
    )
    passwords.close()
    assert together > 2 * alone


async def test_too_many_waiting_is_told_at_once() -> None:
    passwords = Passwords(1)
    stored = _passlib("phpass", rounds=16)("x")
    waiting = [asyncio.ensure_future(passwords.verify(Secret("x"), stored)) for _ in range(33)]
    await asyncio.sleep(0)
    with pytest.raises(DirectoryUnavailable):
        await passwords.verify(Secret("x"), stored)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await passwords.verify(Secret("x"), stored)
    passwords.close()


async def test_unknown_people_take_as_long_as_known_ones(passwords: Passwords) -> None:
    """The cheap hash takes a hundredth; between five times less and more is the same, measured on
    a machine that others share."""
    dear = _bcrypt_at(10)
    passwords = Passwords(2)
    passwords.expect([dear, dear, dear])
    known = await _least(lambda: passwords.verify(Secret("wrong"), dear))
    for typed in ("wrong", "", "\0", "x" * 5000):
        unknown = await _least(lambda typed=typed: passwords.burn(Secret(typed), "jo"))  # type: ignore[misc]
        assert known / 5 < unknown < known * 5
        impossible = await _least(lambda typed=typed: passwords.verify(Secret(typed), dear))  # type: ignore[misc]
        assert known / 5 < impossible < known * 5
    unreadable = await _least(lambda: passwords.verify(Secret("wrong"), "!"))
    assert known / 5 < unreadable < known * 5
    passwords.close()


async def test_unknown_people_are_compared_with_what_the_table_has_as_often() -> None:
    """Counted in hashes, not in seconds: three kinds of work, for four thousand names."""
    sorts = {"$2y$": _bcrypt_at(4), "$2y$05": _bcrypt_at(5), "$1$": SCHEMES["md5-crypt"]("x")}
    cheap, dearer, other = sorts.values()
    table = [cheap] * 5 + [dearer] * 3 + [other] * 2
    here, there, stranger = Passwords(1, b"seed"), Passwords(1, b"seed"), Passwords(1, b"other")
    for each in (here, there, stranger):
        each.expect(table)
    names = [f"name{number}" for number in range(4000)]
    chosen = [here._decoy_for(name) for name in names]
    for stored in (cheap, dearer, other):
        share = table.count(stored) / len(table)
        assert abs(chosen.count(stored) / len(names) - share) < 0.04
    assert chosen == [there._decoy_for(name) for name in names], "in each process the same"
    assert chosen == [here._decoy_for(name.upper()) for name in names]
    assert chosen != [stranger._decoy_for(name) for name in names], "nobody can work it out"
    here.expect([cheap] * 1)
    moved = sum(here._decoy_for(name) != before for name, before in zip(names, chosen, strict=True))
    assert moved < len(names) * 0.1
    for each in (here, there, stranger):
        each.close()


async def test_the_same_work_is_done_for_a_name_that_nobody_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One hash of the kind that is asked for, whatever is typed."""
    stored = _bcrypt_at(4)
    passwords = Passwords(1)
    passwords.expect([stored])
    done: list[tuple[str, str]] = []
    real = hashes.verify

    def counted(password: str, against: str) -> Verdict:
        done.append((password[:5], against))
        return real(password, against)

    monkeypatch.setattr(hashes, "verify", counted)
    for typed in ("wrong", "", "\0", "x" * 20_000, "😀" * 10_000, "é" * 40, "\ud800"):
        done.clear()
        assert not await passwords.verify(Secret(typed), stored)
        known = list(done)
        done.clear()
        await passwords.burn(Secret(typed), "nobody")
        assert done == known
        assert len(known) == 1
    passwords.close()


LONG = {
    "ten thousand letters": "correct horse battery staple " * 345,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 20,
    "Arabic, Chinese, Devanagari": "كلمة السر 密码 पासवर्ड",
    "composed": "Ångström café",
    "decomposed": "A\u030angstro\u0308m cafe\u0301",
    "blanks around": "  hunter2\t",
    "right to left marks": "\u202ehunter2\u200f",
    "a lone accent": "\u0301",
}


@pytest.mark.parametrize("scheme", ["bcrypt 2y", "argon2id"])
@pytest.mark.parametrize("password", LONG.values(), ids=LONG)
def test_a_password_of_any_length_and_script_is_right(scheme: str, password: str) -> None:
    stored = SCHEMES[scheme](password)
    assert hashes.verify(password, stored) is Verdict.RIGHT
    assert hashes.verify("x" + password, stored) is Verdict.WRONG


async def test_before_any_hash_was_seen_time_is_burnt_too() -> None:
    passwords = Passwords(1)
    assert await _seconds(passwords.burn(Secret("wrong"), "jo")) > 0.05
    passwords.close()


def test_kinds_are_told_most_frequent_first(passwords: Passwords) -> None:
    table = [SCHEMES["argon2id"]("x"), "!", SCHEMES["bcrypt 2a"]("x"), SCHEMES["bcrypt 2y"]("x")]
    assert passwords.kinds(table) == ("bcrypt", "argon2", "unreadable")


def _bcrypt_at(cost: int) -> str:
    return bcrypt.hashpw(b"x", bcrypt.gensalt(cost)).decode()


async def _least(work: Callable[[], Awaitable[object]]) -> float:
    """The shortest of three: others share the machine."""
    return min([await _seconds(work()) for _ in range(3)])


async def _seconds(work: Awaitable[object]) -> float:
    before = time.perf_counter()
    await work
    return time.perf_counter() - before
