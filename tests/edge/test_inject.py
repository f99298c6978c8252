"""Injection: the right place, exactly once, every other byte as it was, and bounded."""

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.edge.coding import LARGEST_PAGE, Coding, decode, encode
from gateway.edge.fragments import profile_section, sign_in_buttons
from gateway.edge.inject import (
    Injected,
    Injection,
    NotFound,
    Obstacle,
    Unreadable,
    check_selector,
    find_place,
    inject,
)

PLACES: tuple[Any, ...] = ("before", "after", "prepend", "append")
FRAGMENT = '<div class="sonar-sso">+</div>'
SPLICE = b"@"
GZIPPED = encode(b"<form></form>", Coding.GZIP)


def short(value: object) -> str:
    """An id that fits on a line, for pages of megabytes."""
    return f"{len(value)}-bytes" if isinstance(value, bytes) else str(value)


def injected(page: bytes, selector: str = "form", place: Any = "after") -> bytes:
    """The page with an `@` where the fragment went, or the reason why not."""
    result = inject(page, "", SPLICE.decode(), Injection(selector, place))
    return result.page if isinstance(result, Injected) else result.why.encode()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("before", b"<p>@<form>x</form>y"),
        ("after", b"<p><form>x</form>@y"),
        ("prepend", b"<p><form>@x</form>y"),
        ("append", b"<p><form>x@</form>y"),
    ],
)
def test_the_four_places(place: str, expected: bytes) -> None:
    assert injected(b"<p><form>x</form>y", place=place) == expected


@pytest.mark.parametrize(
    ("page", "selector", "expected"),
    [
        # the first one only
        (b"<form>1</form><form>2</form>", "form", b"<form>1</form>@<form>2</form>"),
        (b"<b><form><form>n</form></form>", "form", b"<b><form><form>n</form></form>@"),
        # what only looks like the element
        (b"<!-- <form> --><form>x</form>", "form", b"<!-- <form> --><form>x</form>@"),
        (b"<!--><form>x</form>", "form", b"<!--><form>x</form>@"),
        (b"<!-- <form></form>", "form", b"no_element"),
        (b"<script>'<form>'</script><form>x</form>", "form",
         b"<script>'<form>'</script><form>x</form>@"),
        (b"<script><!--<script></script><form></form>--></script><form>x</form>", "form",
         b"<script><!--<script></script><form></form>--></script><form>x</form>@"),
        (b"<style><form></style><form></form>", "form", b"<style><form></style><form></form>@"),
        (b"<textarea><form></form></textarea>", "form", b"no_element"),
        (b"<title><form></form></title>", "form", b"no_element"),
        (b"<xmp><form></form></xmp>", "form", b"no_element"),
        (b"<iframe><form></form></iframe>", "form", b"no_element"),
        (b"<noscript><form></form></noscript>", "form", b"no_element"),
        (b"<plaintext><form></form>", "form", b"no_element"),
        (b"<a title='<form></form>'><form></form>", "form",
         b"<a title='<form></form>'><form></form>@"),
        (b"&lt;form&gt;", "form", b"no_element"),
        (b"<form-x></form-x><forms></forms>", "form", b"no_element"),
        (b"<form\x00></form\x00>", "form", b"no_element"),
        (b"< form></form>", "form", b"no_element"),
        # templates are not part of the page
        (b"<template><form>t</form></template><form>p</form>", "form",
         b"<template><form>t</form></template><form>p</form>@"),
        (b"<template><b><template></template><form></form></b></template>", "form",
         b"no_element"),
        (b"<template><form></form>", "form", b"no_element"),
        (b"<template></template>x", "template", b"<template></template>@x"),
        # odd but valid markup
        (b"<FORM ACTION=/x\r\n>\r\n</FoRm\n>\r\n", "form",
         b"<FORM ACTION=/x\r\n>\r\n</FoRm\n>@\r\n"),
        (b"<form a=1 a=2 / b='>' c=\"</form>\">x</form junk>", "form",
         b"<form a=1 a=2 / b='>' c=\"</form>\">x</form junk>@"),
        (b"\xef\xbb\xbf<form></form>", "form", b"\xef\xbb\xbf<form></form>@"),
        (b"<form/>x</form>", "form", b"<form/>x</form>@"),
        (b"<svg><g/></svg>", "g", b"<svg><g/>@</svg>"),
        (b"<svg><![CDATA[<form>]]></svg><form></form>", "form",
         b"<svg><![CDATA[<form>]]></svg><form></form>@"),
        # an element that ends with its parent
        (b"<div><form>x</div>y", "form", b"<div><form>x</div>@y"),
        # void elements
        (b"<input name=u>x", "input", b"<input name=u>@x"),
        (b"<br/>x", "br", b"<br/>@x"),
        # nothing to end
        (b"<form>never ends", "form", b"no_such_place"),
        (b"<form", "form", b"no_element"),
        (b"<form action='", "form", b"no_element"),
        (b"", "form", b"no_element"),
        (b"</form>", "form", b"no_element"),
        # utf-16 is no text that a fragment in ASCII could go into
        ("<form></form>".encode("utf-16"), "form", b"no_element"),
        # frames
        (b"<frameset><frame src=a></frameset>", "form", b"no_element"),
        (b"<frameset><frame src=a></frameset>x", "frameset",
         b"<frameset><frame src=a></frameset>@x"),
        # selectors
        (b"<form id=a></form><form id=b></form>", "#b", b"<form id=a></form><form id=b></form>@"),
        (b"<p><form></form></p><div><form></form></div>", "div form",
         b"<p><form></form></p><div><form></form>@</div>"),
        (b"<div><p><form></form></p><form></form></div>", "div > form",
         b"<div><p><form></form></p><form></form>@</div>"),
        (b"<b class='x login y'></b>", "b.login", b"<b class='x login y'></b>@"),
        (b"<b class=login-not></b>", "b.login", b"no_element"),
        (b"<i data-at='1'></i><i data-at='2'></i>", "i[data-at='2']",
         b"<i data-at='1'></i><i data-at='2'></i>@"),
        (b"<i></i><b></b>", "b, i", b"<i></i>@<b></b>"),
        (b"<form method=get></form><form method=POST></form>", "form:not([method=get])",
         b"<form method=get></form><form method=POST></form>@"),
        (b"<li>1</li><li>2</li>", "li:nth-child(2)", b"<li>1</li><li>2</li>@"),
    ],
)  # fmt: skip
def test_after(page: bytes, selector: str, expected: bytes) -> None:
    assert injected(page, selector) == expected


@pytest.mark.parametrize(
    ("page", "selector", "place"),
    [
        (b"<input>", "input", "append"),
        (b"<input>", "input", "prepend"),
        (b"<br>", "br", "append"),
        (b"<svg><g/></svg>", "g", "append"),
        (b"<svg><g/></svg>", "g", "prepend"),
        (b"<div>never ends", "div", "append"),
    ],
)
def test_no_inside(page: bytes, selector: str, place: str) -> None:
    assert injected(page, selector, place) == b"no_such_place"


@pytest.mark.parametrize(
    "page",
    [
        b"<select><xmp></select><form></form>",
        b"<select><title>x</select><form></form>",
        b"<frameset><style><form></frameset>",
    ],
)
def test_markup_that_programs_read_differently_is_left_alone(page: bytes) -> None:
    result = inject(page, "", FRAGMENT, Injection("form", "after"))
    assert result == Unreadable(Obstacle.AMBIGUOUS)


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Anmeldung für Köln", "latin-1"),
        ("“Sonar” – sign in €", "windows-1252"),
        # 表 and ソ have a second byte that is a backslash in ASCII
        ("表示ソフト 能力", "shift_jis"),
        ("登录 電話", "gb18030"),
        ("登入 許功蓋", "big5"),
        ("로그인", "euc-kr"),
        ("Вход", "koi8-r"),
        ("会社 😀", "utf-8"),
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_every_charset_that_contains_ascii(text: str, charset: str, place: Any) -> None:
    page = f'<title>{text}</title><form title="{text}">{text}</form>{text}'.encode(charset)
    for fragment in (sign_in_buttons([("google", "Köln 会社")], "/"), profile_section()):
        result = inject(page, "", fragment, Injection("form", place))
        assert isinstance(result, Injected)
        assert result.page.count(fragment.encode()) == 1
        assert result.page.replace(fragment.encode(), b"") == page
        assert text in result.page.decode(charset)


# Pieces that tokenizers have been wrong about, in any order.
_PIECES = st.sampled_from(
    [
        b"<form>", b"</form>", b"<form", b"<FORM a='", b"'>", b'">', b">", b"<", b"</", b"<!--",
        b"-->", b"--!>", b"<!-->", b"<!", b"<?php ?>", b"<![CDATA[", b"]]>", b"<!doctype html>",
        b"<script>", b"</script>", b"</script", b"<script><!--<script>", b"<style>", b"</style>",
        b"<textarea>", b"</textarea>", b"<title>", b"</title>", b"<template>", b"</template>",
        b"<noscript>", b"</noscript>", b"<plaintext>", b"<xmp>", b"</xmp>", b"<iframe>",
        b"<svg>", b"</svg>", b"<math>", b"<mi>", b"</math>", b"<select>", b"</select>",
        b"<table>", b"<tr>", b"<td>", b"</table>", b"<frameset>", b"</frameset>", b"<frame>",
        b"<p>", b"</p>", b"<li>", b"<div id=x class='a b'>", b"</div>", b"<input/>", b"<br>",
        b"<form/>", b"<form a=1 a=2 =3 \"'>", b"&amp;", b"&#0;", b"\r\n", b"\n", b"\r", b"\x00",
        b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9", b"\x83\x5c", b"\x1b$B", b"\x0c", b"\t", b"text",
        FRAGMENT.encode(), b"<!--", b"x" * 5000,
    ]
)  # fmt: skip
_pages = st.lists(_PIECES | st.binary(max_size=8), max_size=40).map(b"".join)
_selectors = st.sampled_from(
    ["form", "*", "div form", "form, div", "template", "p", "input", "body", "#x", ".b", "svg *"]
)


@settings(max_examples=1000, deadline=None)
@given(page=_pages, selector=_selectors, place=st.sampled_from(PLACES))
@example(page=b"x" * 16383 + b"<form>" + b"y" * 16384 + b"</form>", selector="form", place="after")
def test_without_the_fragment_the_page_is_what_it_was(
    page: bytes, selector: str, place: Any
) -> None:
    added = FRAGMENT.encode()
    result = inject(page, "", FRAGMENT, Injection(selector, place))
    match result:
        case Injected(page=fuller):
            assert len(fuller) == len(page) + len(added)
            offset = find_place(page, Injection(selector, place))
            assert isinstance(offset, int)
            assert fuller[offset : offset + len(added)] == added
            assert fuller[:offset] + fuller[offset + len(added) :] == page
        case NotFound(why=why):
            assert why in {Obstacle.NO_ELEMENT, Obstacle.NO_SUCH_PLACE}
        case Unreadable(why=why):
            # Never MISREAD: lol-html gives back what it read, whatever it was.
            assert why is Obstacle.AMBIGUOUS


@settings(max_examples=300, deadline=None)
@given(page=_pages, place=st.sampled_from(PLACES))
def test_the_place_does_not_depend_on_what_comes_after_it(page: bytes, place: Any) -> None:
    injection = Injection("form", place)
    offset = find_place(page, injection)
    if isinstance(offset, int):
        assert find_place(page + b"<form><p></form><!--", injection) == offset


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("padding", [0, 1, 16_380, 16_384, 32_766, 100_000])
def test_the_place_is_found_wherever_the_chunks_end(place: Any, padding: int) -> None:
    start, end = b"<form class=login>", b"</form>"
    before = b"<p>" + b"x" * padding
    page = before + start + b"inside" + end + b"y" * 20_000
    expected = {
        "before": len(before),
        "prepend": len(before + start),
        "append": len(before + start + b"inside"),
        "after": len(before + start + b"inside" + end),
    }
    assert find_place(page, Injection("form", place)) == expected[place]


@pytest.mark.parametrize("coding", Coding)
def test_a_compressed_page_comes_back_in_its_coding(coding: Coding) -> None:
    page = b"<p>\xff\x00\r\n<form>x</form>" + b"y" * 5000
    result = inject(encode(page, coding), coding, FRAGMENT, Injection("form", "before"))
    assert isinstance(result, Injected)
    assert decode(result.page, coding) == page.replace(b"<form>", FRAGMENT.encode() + b"<form>")


@pytest.mark.parametrize(
    ("page", "content_encoding", "why"),
    [
        (b"<form></form>", "compress", Obstacle.CODING_UNKNOWN),
        (GZIPPED, "gzip, gzip", Obstacle.CODING_UNKNOWN),
        (b"<form></form>", "gzip", Obstacle.CODING_BROKEN),
        (GZIPPED[:-1], "gzip", Obstacle.CODING_BROKEN),
        (b"<form></form>" + bytes(LARGEST_PAGE), "", Obstacle.TOO_LARGE),
        (encode(b"<form></form>" + bytes(LARGEST_PAGE), Coding.GZIP), "gzip", Obstacle.TOO_LARGE),
    ],
    ids=short,
)
def test_what_cannot_be_looked_into(page: bytes, content_encoding: str, why: Obstacle) -> None:
    result = inject(page, content_encoding, FRAGMENT, Injection("form", "after"))
    assert result == Unreadable(why)


@pytest.mark.parametrize(
    ("page", "selector"),
    [
        (b"<a>" * 10_000, "a a a a form"),
        (b"<a>" * 10_000, "* * * form"),
        (b"<div>" * 800_000, "div div form"),
        (b"<template>" * 10_000, "form"),
        (b"<a>" * 1_300_000, "form"),
        (b"<a>" * 60_000 + b"</b>" * 900_000, "form"),
        (b"<form " + b"a " * 2_000_000 + b">", "form"),
    ],
    ids=short,
)
def test_a_hostile_page_costs_less_than_a_second(page: bytes, selector: str) -> None:
    began = time.thread_time()
    result = inject(page, "", FRAGMENT, Injection(selector, "after"))
    assert time.thread_time() - began < 1.5
    assert result == Unreadable(Obstacle.TOO_COSTLY)


@pytest.mark.parametrize(
    "page",
    [
        b"x" * LARGEST_PAGE,
        b"<" * LARGEST_PAGE,
        b"<!--" + b"x" * (LARGEST_PAGE - 4),
        b"<form a='" + b"x" * (LARGEST_PAGE - 9),
        b"</" * (LARGEST_PAGE // 2),
    ],
    ids=short,
)
def test_a_large_page_with_nothing_in_it_is_cheap(page: bytes) -> None:
    began = time.thread_time()
    result = inject(page, "", FRAGMENT, Injection("form", "after"))
    assert time.thread_time() - began < 0.25
    assert result == NotFound(Obstacle.NO_ELEMENT)


def test_nothing_is_kept_from_one_page_to_the_next() -> None:
    page = b"<html><body>" + b"<p class=x>hello</p>" * 500 + b"<form>x</form></body></html>"
    injection = Injection("body > form", "after")
    for _ in range(20):
        inject(page, "", FRAGMENT, injection)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        inject(page, "", FRAGMENT, injection)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 64 * 1024


@pytest.mark.parametrize(
    "selector",
    [
        "form", "FORM", "#login", ".login-form", "form#a.b", "div form", "div > form", "a, b",
        "[name]", "form[action='/login']", "form[action^='/log']", "li:nth-child(2)",
        "p:first-child", "form:not(.hidden)", "*", "#change-account-security",
    ],
)  # fmt: skip
def test_selectors_that_can_be_used(selector: str) -> None:
    assert check_selector(selector) is None
    assert Injection(selector, "after").selector == selector


@pytest.mark.parametrize(
    "selector",
    [
        "", " ", "..", "form[", "a:hover", "form::before", "div:has(form)", "a + b", "a ~ b", ">",
        "#", "form,", "<form>", "\ud800",
    ],
)  # fmt: skip
def test_selectors_that_cannot(selector: str) -> None:
    wrong = check_selector(selector)
    assert wrong is not None
    assert "Allowed are" in wrong
    with pytest.raises(ValueError, match="Allowed are"):
        Injection(selector, "after")


def test_a_fragment_is_ascii() -> None:
    with pytest.raises(UnicodeEncodeError):
        inject(b"<form></form>", "", "Köln", Injection("form", "after"))
