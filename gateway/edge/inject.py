"""A fragment into a legacy page, exactly once, every other byte as it was. Pure.

The strategy: lol-html (a streaming HTML tokenizer with CSS selectors, which reads comments,
scripts, text areas and templates as a browser does) only *finds the place*, an offset into the
page. The fragment is then spliced in here. So whatever the tokenizer thinks of the rest of the
page, of NUL bytes, of CRLF or of a charset it does not know, the rest is copied, not written anew.

How it finds the place: it is told to insert a mark there, and its output up to the mark must be
the page up to the same offset, byte for byte.

The rules:

    - The first element the selector finds counts; elements inside <template> are not in the page.
    - `before` and `after` the element, `prepend` and `append` inside it. A place that is not there
      (inside <input>, after an element that never ends) is NotFound.
    - What cannot be read safely and quickly is Unreadable.
    - Then the page passes as it was, and the caller counts and logs `why`.

The end tags that HTML lets an author omit (</p>, </li>, </td>) are not guessed: such an element
ends with its parent. Selectors that name an element with an end tag of its own are exact.

The caller sends only whole pages here: text/html, not 206 or 304, nothing without a body, and
drops what the page's old bytes were promised to be (ETag, Content-MD5, Digest, Content-Digest,
Repr-Digest), with a new Content-Length.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, SupportsIndex

import lolhtml

from gateway.edge.coding import BrokenCoding, TooLarge, decode, encode, read_coding

# CPU seconds for finding one place. A page of 1,000 elements takes 0.001; a thousand nested
# elements under a selector such as `div div div form` would take minutes, and every other
# browser's request with them.
_LONGEST_SEARCH = 0.25
# Bytes, and elements, between two looks at the clock: with unlucky nesting each costs more than
# the one before, and a look costs as much as an element of an honest page.
_CHUNK = 16 * 1024
_ELEMENTS = 8
# No page contains this text: nobody has ever seen it, and it never leaves this module.
_MARK = f"<!--{secrets.token_hex(16)}-->"
_MARK_BYTES = _MARK.encode("ascii")


class Obstacle(StrEnum):
    """Why a fragment did not get into a page."""

    NO_ELEMENT = "no_element"
    """The selector found nothing."""
    NO_SUCH_PLACE = "no_such_place"
    """The element has no inside, or never ends."""
    CODING_UNKNOWN = "coding_unknown"
    CODING_BROKEN = "coding_broken"
    TOO_LARGE = "too_large"
    TOO_COSTLY = "too_costly"
    """Nested so deeply that the search was given up."""
    AMBIGUOUS = "ambiguous"
    """Browsers and the tokenizer may disagree on what is markup."""
    MISREAD = "misread"
    """The tokenizer did not give back the page's own bytes."""


@dataclass(frozen=True, slots=True)
class Injection:
    """Where a fragment goes, relative to the first element that `selector` finds.

    Raises `ValueError` with what is wrong when the selector cannot be used.
    """

    selector: str
    place: Literal["before", "after", "prepend", "append"]

    def __post_init__(self) -> None:
        if wrong := check_selector(self.selector):
            raise ValueError(wrong)


@dataclass(frozen=True, slots=True)
class Injected:
    """The page with the fragment, in the coding it came in."""

    page: bytes


@dataclass(frozen=True, slots=True)
class NotFound:
    """The page is fine and has no place for the fragment."""

    why: Obstacle


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The page cannot be looked into."""

    why: Obstacle


def inject(
    page: bytes, content_encoding: str, fragment: str, injection: Injection
) -> Injected | NotFound | Unreadable:
    """Put `fragment` (HTML, ASCII only) into `page` (as upstream sent it, still in its coding).

    `content_encoding` is the value of Content-Encoding, `""` without one.
    """
    coding = read_coding(content_encoding)
    if coding is None:
        return Unreadable(Obstacle.CODING_UNKNOWN)
    try:
        plain = decode(page, coding)
    except BrokenCoding:
        return Unreadable(Obstacle.CODING_BROKEN)
    except TooLarge:
        return Unreadable(Obstacle.TOO_LARGE)
    place = find_place(plain, injection)
    if not isinstance(place, int):
        return place
    added = fragment.encode("ascii")
    return Injected(encode(plain[:place] + added + plain[place:], coding))


def find_place(page: bytes, injection: Injection) -> int | NotFound | Unreadable:
    """The offset in `page` (no content coding) at which the fragment goes."""
    search = _Search(page, injection.place)
    rewriter = lolhtml.HTMLRewriter(search.output)
    # The handlers of one element run in the order they were added.
    rewriter.on("*", _On(search.any_element))
    rewriter.on("template *", _On(search.element_in_template))
    rewriter.on(injection.selector, _On(search.element_selected))
    try:
        for start in range(0, len(page), _CHUNK):
            rewriter.write(page[start : start + _CHUNK])
            if search.is_over():
                return search.result()
        rewriter.end()
    except RuntimeError:
        # What lol-html raises for markup it will not guess at, and for what a handler raised.
        return Unreadable(Obstacle.TOO_COSTLY if search.too_costly else Obstacle.AMBIGUOUS)
    return search.result()


def check_selector(selector: str) -> str | None:
    """What is wrong with a CSS selector, or `None` when it can be used."""
    try:
        rewriter = lolhtml.HTMLRewriter(lambda piece: None)
        rewriter.on(selector, _On(lambda element: None))
        rewriter.write(b"<html></html>")
        rewriter.end()
    except (RuntimeError, UnicodeEncodeError) as error:
        return (
            f"{error} Allowed are element names, #id, .class, [attribute], :not(), "
            ":first-child, :nth-child() and the like, joined by a space, > or a comma"
        )
    return None


class _On(NamedTuple):
    """A handler as lol-html takes it: an object with a method of this name."""

    element: Callable[[lolhtml.Element], None]


class _TooCostly(Exception):
    """Raised inside a handler to stop lol-html between two elements."""


class _Search:
    """One search: what the handlers tell each other, and the offset once it is known."""

    __slots__ = (
        "_anchored",
        "_elements",
        "_ends",
        "_in_template",
        "_misread",
        "_offset",
        "_page",
        "_passed",
        "_place",
        "too_costly",
    )

    def __init__(self, page: bytes, place: str) -> None:
        self._page = page
        self._place = place
        # This thread's CPU time: on a busy machine the buttons must not disappear.
        self._ends = time.thread_time() + _LONGEST_SEARCH
        self._elements = 0
        self._in_template = False
        self._anchored = False
        self._misread = False
        self._passed = 0
        self._offset: int | None = None
        self.too_costly = False

    def any_element(self, _element: lolhtml.Element) -> None:
        self._in_template = False
        self._elements += 1
        if self._elements % _ELEMENTS == 0 and self._is_late():
            raise _TooCostly

    def element_in_template(self, _element: lolhtml.Element) -> None:
        self._in_template = True

    def element_selected(self, element: lolhtml.Element) -> None:
        if self._anchored or self._in_template:
            return
        self._anchored = True
        getattr(element, self._place)(_MARK, lolhtml.ContentType.HTML)

    def output(self, piece: bytes | bytearray | Iterable[SupportsIndex]) -> None:
        """Follow lol-html's output along the page until the mark comes by."""
        if self._offset is not None or self._misread:
            return
        before, mark, _ = bytes(piece).partition(_MARK_BYTES)
        self._misread = not self._page.startswith(before, self._passed)
        self._passed += len(before)
        if mark and not self._misread:
            self._offset = self._passed

    def is_over(self) -> bool:
        """Whether there is nothing left to learn from the rest of the page."""
        return self._offset is not None or self._misread or self._is_late()

    def result(self) -> int | NotFound | Unreadable:
        if self._offset is not None:
            return self._offset
        if self._misread:
            return Unreadable(Obstacle.MISREAD)
        if self.too_costly:
            return Unreadable(Obstacle.TOO_COSTLY)
        return NotFound(Obstacle.NO_SUCH_PLACE if self._anchored else Obstacle.NO_ELEMENT)

    def _is_late(self) -> bool:
        self.too_costly = time.thread_time() > self._ends
        return self.too_costly
