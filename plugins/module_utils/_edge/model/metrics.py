# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a run in the text format of Prometheus, for a textfile collector.

A collector refuses samples that have a time of their own, so that each time is a gauge in seconds.
Source: the exposition formats of Prometheus, and the README of node_exporter, "Textfile Collector".
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from .rules import Group

BANNER = "# Written by the Ansible collection xmpp.edge, on every run but those in check mode.\n"
"""First line of each file, by which a run knows it as its own."""

_WORDS = {"yes": 1, "no": 0, "unknown": -1}
_MEANING = "1 for yes, 0 for no, -1 for unknown"

Labels = Mapping[str, str]
Sample = Tuple[Labels, float]


def text_of(result: Mapping[str, Any], groups: Iterable[Group], now: float) -> str:
    """Return the text of a metrics file.

    result: of a run, serialised; groups: the lists that its rules name; now: the time in seconds since the epoch.
    """
    rows, persistence = result["rows"], result["persistence"]
    parts = [
        _gauge("row_present", "Whether the rules of a row are on the host: 1 or 0", _flags(rows, "present")),
        _gauge("row_effective", f"Whether the packets of a row pass: {_MEANING}", _words(rows, "effective")),
        _gauge("row_guarded", f"Whether all else is closed: {_MEANING}", _words(rows, "guarded")),
        _gauge("persisted", f"Whether rules survive a reload and a boot: {_MEANING}", _persisted(persistence)),
        _counter("row_packets_total", "Packets of new connections, as of the last run", _packets(rows)),
        _gauge("packets_since_timestamp_seconds", "Time since when packets are counted", _since(rows)),
        _gauge("list_members", "Addresses and networks of a list", _members(groups)),
        _gauge("last_run_changed", "Whether the last run changed the host: 1 or 0", [({}, float(result["changed"]))]),
        _gauge("last_run_timestamp_seconds", "Time of the last run that came to its end", [({}, round(now, 3))]),
    ]
    return BANNER + "".join(parts)


def _flags(rows: Mapping[str, Mapping[str, Any]], key: str) -> List[Sample]:
    return [({"row": row}, float(entry[key])) for row, entry in rows.items()]


def _words(rows: Mapping[str, Mapping[str, Any]], key: str) -> List[Sample]:
    return [({"row": row}, _WORDS[entry[key]]) for row, entry in rows.items() if entry.get(key)]


def _persisted(persistence: Mapping[str, str]) -> List[Sample]:
    return [({"part": part}, _WORDS[word]) for part, word in persistence.items()]


def _packets(rows: Mapping[str, Mapping[str, Any]]) -> List[Sample]:
    return [
        ({"row": row, "kind": kind}, packets)
        for row, entry in rows.items()
        for kind, packets in (entry.get("packets") or {}).items()
        if isinstance(packets, int)
    ]


def _since(rows: Mapping[str, Mapping[str, Any]]) -> List[Sample]:
    times = [(entry.get("packets") or {}).get("since") for entry in rows.values()]
    known: List[Sample] = [({}, _seconds_of(time)) for time in times if time]
    return known[:1]


def _seconds_of(time: str) -> float:
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def _members(groups: Iterable[Group]) -> List[Sample]:
    found: Dict[Tuple[str, str], int] = {}
    for group in {group.name: group for group in groups}.values():
        key = (group.option, group.name.rpartition("_")[2])
        found[key] = found.get(key, 0) + len(group.networks)
    return [({"list": name, "family": family}, count) for (name, family), count in found.items()]


def _gauge(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    return _metric("gauge", name, meaning, samples)


def _counter(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    return _metric("counter", name, meaning, samples)


def _metric(kind: str, name: str, meaning: str, samples: Iterable[Sample]) -> str:
    """Return a metric with its samples; empty without any. Names of rows, lists and kinds need no escapes."""
    lines = [f"xmpp_edge_{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples]
    head = f"# HELP xmpp_edge_{name} {meaning}.\n# TYPE xmpp_edge_{name} {kind}\n"
    return head + "".join(lines) if lines else ""


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""
