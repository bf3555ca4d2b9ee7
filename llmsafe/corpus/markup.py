"""Markup to text, and XML that is safe to parse.

HTML, XHTML and the narrative blocks of C-CDA become plain text: a line for each block, a tab
between the cells of a row, nothing for what a reader never sees. Inline tags leave no trace, so
that a name written half in bold stays one word.
"""

from __future__ import annotations

import base64
import binascii
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from llmsafe.corpus.files import check_size, decode
from llmsafe.corpus.records import Unreadable

MAX_DEPTH = 200

# Elements of HTML and of C-CDA narrative that begin and end a line.
_BLOCKS = re.compile(
    "address|article|aside|blockquote|body|br|caption|dd|div|dl|dt|fieldset|figure|footer|footnote"
    "|form|h[1-6]|head|header|hr|html|item|li|list|main|nav|ol|option|p|paragraph|pre|section|select"
    "|table|tbody|text|tfoot|thead|title|tr|ul"
)
_CELLS = frozenset(("td", "th"))
_UNSEEN = frozenset(("script", "style"))
_MEDIA = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,60}")


class _Layout:
    """Collects text and where its lines end."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def edge(self, tag: str) -> None:
        """An element begins or ends."""
        if _BLOCKS.fullmatch(tag):
            self._pieces.append("\n")

    def end(self, tag: str) -> None:
        """An element ends."""
        self._pieces.append("\t") if tag in _CELLS else self.edge(tag)

    def words(self, text: str, *, lines: bool = False) -> None:
        """Text; its own white space means nothing but a space, unless its ``lines`` count."""
        self._pieces.append(re.sub(r"[^\S\n]+" if lines else r"\s+", " ", text))

    def text(self) -> str:
        """What was collected, without needless white space."""
        text = re.sub(r"[ \t]*\n[ \t\n]*", "\n", "".join(self._pieces))
        return re.sub(r" *\t *", "\t", re.sub(r" {2,}", " ", text)).strip()


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.layout = _Layout()
        self.unseen = 0
        self.lines = 0  # open elements whose line ends count

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.layout.edge(tag)
        self.unseen += tag in _UNSEEN
        self.lines += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self.layout.end(tag)
        self.unseen -= tag in _UNSEEN and self.unseen > 0
        self.lines -= tag == "pre" and self.lines > 0

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.layout.edge(tag)

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.layout.words(data, lines=self.lines > 0)


def html_text(html: str) -> str:
    """The text that a reader of the page sees.

    Raises:
        Unreadable: a script or style sheet that never ends; the rest cannot be told from it.
    """
    parser = _Html()
    parser.feed(html)
    parser.close()
    if parser.unseen:
        raise Unreadable("HTML with a script or style that never ends")
    return parser.layout.text()


def element_text(*elements: ElementTree.Element) -> str:
    """The text of XML elements, as :func:`html_text`."""
    layout = _Layout()

    def walk(element: ElementTree.Element) -> None:
        layout.edge(element.tag)
        layout.words(element.text or "")
        for child in element:
            walk(child)
            layout.words(child.tail or "")
        layout.end(element.tag)

    for element in elements:
        walk(element)
    return layout.text()


def media_text(media: str, data: bytes) -> str:
    """The text of an attachment by its media type; none given means plain text.

    Raises:
        Unreadable: it is neither plain text nor HTML, or not in the character set it names.
    """
    kind, *parameters = (part.strip() for part in media.split(";"))
    named = (part.partition("=") for part in parameters)
    charset = next((v.strip("\"' ") for k, _, v in named if k.strip().lower() == "charset"), None)
    match kind.lower():
        case "" | "text/plain":
            return decode(check_size(data), charset)
        case "text/html" | "application/xhtml+xml":
            return html_text(decode(check_size(data), charset))
        case other:
            shown = other if _MEDIA.fullmatch(other) else "of an unknown type"
            raise Unreadable(
                f"the attachment is {shown}; plain text, HTML and C-CDA are read: convert it"
            )


def base64_bytes(data: Any) -> bytes:
    """Decode base64, white space apart strictly.

    Raises:
        Unreadable: it is none.
    """
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, AttributeError, ValueError):
        raise Unreadable("the attachment is not base64") from None


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of a document, tags and attributes without their namespaces.

    A document type declaration is refused, and with it every entity and every outside file, and so
    is anything nested more than 200 deep or larger than 64 MiB.

    Raises:
        Unreadable: any of these, or it is not well-formed.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def refuse(*_: object) -> None:
        raise Unreadable("XML with a document type declaration, which could hold entities")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise Unreadable(f"XML nested more than {MAX_DEPTH} deep")
        builder.start(_local(tag), {_local(k): v for k, v in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(tag))

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(check_size(data), True)
    except expat.ExpatError as error:
        raise Unreadable(f"no well-formed XML (line {error.lineno})") from None
    except (LookupError, ValueError):
        raise Unreadable("XML in a character set that is not known; convert it to UTF-8") from None
    return builder.close()


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
