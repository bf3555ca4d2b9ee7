"""What holds for any page, whatever it shows; and a payload that would break it if it could."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "hr", "input"}
PAYLOAD = (
    "<script>alert(1)</script>\"'><img src=x onerror=y> {{ 7*7 }} {% raw %} ${x} "
    "\x00\x1b[31m\x08 \u202eevil\u202c \u200b </style></svg></title> &amp; https://evil.example"
)


class Page(HTMLParser):
    """Checks nesting and collects what a page can do to its reader."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def check(html: str) -> Page:
    """Everything that holds for any page whatever it shows."""
    page = Page(html)
    banned = {"script", "iframe", "object", "embed", "form", "link", "img", "a", "base", "image"}
    assert not banned & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert name != "src"
        assert name != "href" or value.startswith("#")
    assert len(page.ids) == len(set(page.ids))
    known = set(page.ids)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html)
    assert {a or b for a, b in used} <= known
    for name, value in page.attributes:
        assert name != "aria-labelledby" or set(value.split()) <= known
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    for svg in svgs:
        root = ET.fromstring(svg)
        hidden = root.get("aria-hidden") == "true"
        assert hidden or root.find("{http://www.w3.org/2000/svg}title") is not None
        assert "<style" not in svg
    head = html[: html.index("<title>")]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in head
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", html)
    return page


def addresses(html: str) -> set[str]:
    return set(re.findall(r"(?:https?:)?//[^\s\"'<>);]+", html))
