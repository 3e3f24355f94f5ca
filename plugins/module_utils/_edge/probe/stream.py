# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The beginning of an XMPP stream of a hostile peer. Sources: RFC 6120 4, 5 and 8; XEP-0220.

The reader stores names only. It stores no text but SASL mechanisms and that of an error, and no attributes but those of
the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from .connection import PeerError
from .domains import in_unicode

STREAMS = "http://etherx.jabber.org/streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
DIALBACK = "jabber:server:dialback"
DIALBACK_FEATURE = "urn:xmpp:features:dialback"

STARTTLS = f"<starttls xmlns='{TLS}'/>".encode()

_STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
_TEXT_OF_ERROR, _MECHANISM = 3, 4
"""Depths of the elements whose text is read."""

_MAX_ELEMENTS = 1000
_MAX_DEPTH = 20


def header(domain: str, origin: str) -> bytes:
    """Return the header of a stream between servers. domain: the requested server; origin: the requesting one.

    An empty one is left out.
    """
    names = {"from": in_unicode(origin), "to": in_unicode(domain)}
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in names.items() if value)
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='{STREAMS}' xmlns:db='{DIALBACK}'"
        f"{attributes} version='1.0'>"
    ).encode()


@dataclass
class Stanza:
    """An element directly below the stream.

    name: namespace and local name; descendants: those of all elements in it; mechanisms: its SASL mechanisms; text:
    that of a stream error.
    """

    name: str
    descendants: List[str] = field(default_factory=list)
    mechanisms: List[str] = field(default_factory=list)
    text: str = ""


class StreamReader:
    """A parser from bytes to stanzas. Raises PeerError on anything but XMPP."""

    def __init__(self) -> None:
        self.attributes: Optional[Dict[str, str]] = None
        """Attributes of the stream, once it is open."""
        self.namespaces: List[str] = []
        self.stanzas: List[Stanza] = []
        self.is_closed = False
        self._last = b""
        self._depth = 0
        self._elements = 0
        self._open: Optional[Stanza] = None
        self._text = ""
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartNamespaceDeclHandler = lambda _prefix, uri: self.namespaces.append(uri or "")
        # RFC 6120 11.1 forbids these, and an entity can expand a short text into a very long one.
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse
        self._parser.ProcessingInstructionHandler = _refuse

    def feed(self, data: bytes) -> None:
        """Parse more bytes."""
        self._last = data
        try:
            self._parser.Parse(data, False)
        except expat.ExpatError as error:
            raise PeerError("no_xmpp", f"no XML: {expat.ErrorString(error.code)}") from None

    @property
    def has_more(self) -> bool:
        """Return whether anything followed the first stanza."""
        return len(self.stanzas) > 1 or not self._last.rstrip().endswith(b">")

    def _start(self, name: str, attributes: Dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._elements > _MAX_ELEMENTS or self._depth > _MAX_DEPTH:
            raise PeerError("too_much", f"more than {_MAX_ELEMENTS} elements, or deeper than {_MAX_DEPTH}")
        if self._depth == 1:
            if name != f"{STREAMS} stream":
                raise PeerError("no_xmpp", f"the document is {name}")
            self.attributes = dict(attributes)
        elif self._depth == 2:
            self._open = Stanza(name)
        elif self._open is not None:
            self._open.descendants.append(name)
        self._text = ""

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._open is not None and name == f"{SASL} mechanism":
            self._open.mechanisms.append(self._text.strip())
        if self._open is not None and name == f"{_STREAM_ERRORS} text":
            self._open.text = " ".join(self._text.split())
        if self._depth == 1 and self._open is not None:
            self.stanzas.append(self._open)
            self._open = None
        self.is_closed = self._depth == 0

    def _characters(self, text: str) -> None:
        if self._depth in (_TEXT_OF_ERROR, _MECHANISM):
            self._text += text


def _refuse(*_arguments: object) -> None:
    raise PeerError("no_xmpp", "a document type, an entity or a processing instruction")


def local_name(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition(" ")[2]
