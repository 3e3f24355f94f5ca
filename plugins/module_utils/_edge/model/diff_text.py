# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in the port table's words, for people to read."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .errors import printable
from .plan import Item, Placed, Plan, Setting, Unmanaged
from .rules import Group, Rule

MOST_DENIALS = 3
"""Rules that a message about denials names."""

LONGEST_SPELLED_OUT = 8
"""Networks that a line spells out; of a longer group it gives the count, and a diff lists what differs."""


def line(item: Item) -> str:
    """Return one item as one line, for example "federation_in  allow in tcp any -> 198.18.0.2 port 5269"."""
    if isinstance(item, Unmanaged):
        return printable(f"{item.place}  {item.text}")
    if isinstance(item, Placed):
        return f"{line(item.rule)} in {item.place}"
    if isinstance(item, Setting):
        return item.text
    source, destination = _side(item.source), _side(item.destination)
    way = f"{'forwarded ' if item.forwarded else ''}{item.direction}"
    return f"{item.row}  {item.action} {way} tcp {source} -> {destination} port {item.port}"


def before(plan: Plan) -> str:
    """Return the current state: rules, then whatever else the plan repairs."""
    return _text(plan.before, plan.after, plan.drift)


def after(plan: Plan) -> str:
    """Return the state once the plan is carried out."""
    return _text(plan.after, plan.before, ())


def package_line(package: str) -> str:
    """Return the line of a diff about a package that is installed."""
    return f"package {package}  is installed\n"


def drop_message(rows: Mapping[str, Mapping[str, Any]], check_mode: bool) -> Optional[str]:
    """Return the message about rows that are not effective or not guarded; None where there are none.

    rows: the serialised facts of each, by row id.
    """
    dropped = [f"{row}: {entry['decided_by']}" for row, entry in rows.items() if entry["effective"] == "no"]
    passed = [f"{row}: {entry.get('guarded_by')}" for row, entry in rows.items() if entry.get("guarded") == "no"]
    drops, lets_pass = (
        ("would still drop", "would still let pass") if check_mode else ("still drops", "still lets pass")
    )
    sentences = [f"another rule of this host {drops} what the table allows, {'; '.join(dropped)}"] if dropped else []
    sentences += [f"this host {lets_pass} what the table forbids, {'; '.join(passed)}"] if passed else []
    return "; ".join(sentences) or None


def unknown_messages(rows: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """Return a message about each row of which something is unknown. rows: the serialised facts of each, by row id."""
    messages = []
    for row, entry in rows.items():
        for key, by in (("effective", "decided_by"), ("guarded", "guarded_by")):
            if entry.get(key) == "unknown":
                messages.append(
                    f"{row}: whether it is {key} is unknown: {entry.get(by) or 'nothing could be evaluated'}"
                )
    return messages


def denial_messages(denials: Mapping[str, Tuple[Sequence[str], int]]) -> List[str]:
    """Return a message about each row of which unmanaged rules deny a part.

    denials: by row some of the rules as text, and how many more there are.
    """
    return [
        f"{row}: unmanaged rules deny some of its connections, and stay in force: {'; '.join(texts)}"
        + (f"; and {more} more" if more else "")
        for row, (texts, more) in denials.items()
        if texts
    ]


def undo_message(fault: Optional[str]) -> str:
    """Return the message about a change that was rolled back. fault: the steps that failed."""
    return f"not all of the change could be rolled back: {fault}" if fault else "the change was rolled back"


def _side(group: Optional[Group]) -> str:
    return "any" if group is None else spelled_out(group.networks)


def spelled_out(networks: Sequence[str]) -> str:
    """Return networks as a line has them: their names, or their number where they are many."""
    return f"{len(networks)} networks" if len(networks) > LONGEST_SPELLED_OUT else ", ".join(networks) or "nothing"


def _text(items: Sequence[Item], others: Sequence[Item], notes: Sequence[str]) -> str:
    lines = [line(item) for item in items] + _only_here(items, others) + list(notes)
    return "".join(f"{text}\n" for text in lines)


def _only_here(items: Sequence[Item], others: Sequence[Item]) -> List[str]:
    """The networks of long groups that stand on this side only; a wholly new or gone group is its count."""
    here, there = _members(items), _members(others)
    lines = []
    for name in here:
        if name in there and max(len(here[name]), len(there[name])) > LONGEST_SPELLED_OUT:
            lines += [f"{name}  {network}" for network in here[name] if network not in there[name]]
    return lines


def _members(items: Sequence[Item]) -> Dict[str, Dict[str, None]]:
    """The networks of each group, in order. Drift may bring two groups of one name."""
    found: Dict[str, Dict[str, None]] = {}
    for item in items:
        for group in item.groups if isinstance(item, (Rule, Setting)) else ():
            found.setdefault(group.name, {}).update(dict.fromkeys(group.networks))
    return found
