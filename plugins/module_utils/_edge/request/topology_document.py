# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML of a topology, read without trust: no document type, no entities of its own, and limits on size and depth."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, NoReturn, Optional, Union
from xml.parsers import expat

from ..model.errors import EdgeError

LONGEST = 16 * 1024 * 1024
"""Most bytes of a document. A topology of hundreds of servers has less than a tenth of that."""
DEEPEST = 64
"""Most elements within each other."""
MOST = 200_000
"""Most elements. A server has some dozens."""

REMEDY = "give what Get-CsTopology -AsXml prints"

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass
class Element:
    """An element. name: without its namespace; attributes: by name; children: the elements in it, in their order."""

    name: str
    attributes: Mapping[str, str]
    children: List[Element] = field(default_factory=list)

    def within(self, name: str) -> Iterator[Element]:
        """Yield all elements of a name that are in this one, however deep."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.within(name)

    def first(self, name: str) -> Optional[Element]:
        """Return the first element of a name that is in this one, None if there is none."""
        return next(self.within(name), None)


def read_document(document: Union[str, bytes]) -> Element:
    """Return the root of a document. Raises EdgeError.

    PowerShell writes UTF-16 by default, and names another encoding in the document: a byte order mark counts more.
    """
    text = _decoded(document) if isinstance(document, bytes) else document
    if len(text) > LONGEST:
        raise EdgeError(f"the topology is longer than {LONGEST} characters; {REMEDY}")
    if not text.strip("\ufeff\0 \r\n\t"):
        raise EdgeError(f"the topology is empty; {REMEDY}")
    return _Reading().read(text.lstrip("\ufeff").lstrip())


def _decoded(document: bytes) -> str:
    """Return the text of a document by its byte order mark, by the zeros of UTF-16, or else as UTF-8."""
    if len(document) > 2 * LONGEST:
        raise EdgeError(f"the topology is longer than {LONGEST} characters; {REMEDY}")
    encoding = next((one for mark, one in _BYTE_ORDER_MARKS.items() if document.startswith(mark)), "")
    if not encoding:
        encoding = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(document.lstrip(b"\r\n\t ")[:2], "utf-8")
    try:
        return document.decode(encoding)
    except UnicodeDecodeError:
        raise EdgeError(f"the topology is no text in {encoding}; save it as UTF-8 or UTF-16") from None


class _Reading:
    """One pass of the parser over a document."""

    def __init__(self) -> None:
        # Above the root there is one more element, so that the root is a child as others are.
        self.open = [Element("", {})]
        self.count = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse

    def read(self, text: str) -> Element:
        """Return the root element."""
        try:
            self.parser.Parse(text.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            where = f"line {error.lineno}: {expat.ErrorString(error.code)}"
            raise EdgeError(f"the topology is no XML, {where}; {REMEDY}") from None
        return self.open[0].children[0]

    def _start(self, name: str, attributes: Dict[str, str]) -> None:
        element = Element(name.rpartition(":")[2], attributes)
        self.open[-1].children.append(element)
        self.open.append(element)
        self.count += 1
        if len(self.open) > DEEPEST:
            raise EdgeError(f"the topology has more than {DEEPEST} elements within each other; that is no topology")
        if self.count > MOST:
            raise EdgeError(f"the topology has more than {MOST} elements; that is no topology")

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _refuse(self, *_declaration: object) -> NoReturn:
        raise EdgeError("the topology has a document type, which none of the product has; remove its DOCTYPE")
