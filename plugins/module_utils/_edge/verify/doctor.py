# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An edge and one partner, without any vantage point: what is looked at, and what it shows, first causes first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ..model.addresses import family_of
from ..model.errors import OptionError
from ..model.partner_domains import OPTION as PARTNER_DOMAINS
from ..model.partner_domains import with_addresses
from ..model.port_table import ACCESS, INTERNAL, PARTNERS, Row
from ..probe.model import CLOSED
from ..probe.watch import SYN, SYN_ACK
from ..request.address_input import parse_address, text_of
from ..request.compile import compile_rules
from ..request.options import parse_options
from .attempted import HostState, decision
from .causes import is_for
from .evaluate import FAILS, Finding, evaluate
from .flows import EDGES, LEVELS, Edge, Flow, as_target, flows_of_edge, given_options, is_open, read_edge, read_vantage
from .name_findings import Names, addresses_of_domain, name_findings
from .notes import certificate_notes
from .passage import Passage, passage_of
from .ping_findings import ping_findings
from .problems import Problem, problems_of, source_problems
from .services import Partner, Service

HOLDS, FAULT, NOT_LOOKED_AT = "holds", "FAULT", "not looked at"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. state: HOLDS, FAULT or NOT_LOOKED_AT; sentence: what is so, or why not known."""

    topic: str
    state: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks of an edge and a partner, in the order in which causes come first."""

    edge: str
    domain: str
    checks: Sequence[Check]

    @property
    def first(self) -> Optional[Check]:
        """Return the first cause, None where there is no fault."""
        return next((check for check in self.checks if check.state == FAULT), None)

    @property
    def holds(self) -> bool:
        """Return whether all was looked at and holds."""
        return all(check.state == HOLDS for check in self.checks)


@dataclass(frozen=True)
class Case:
    """An edge and the partner that it is asked about.

    partner: without addresses where DNS has to tell them; variables: of the edge; dialled: what the world dials for its
    domain, at all edges that serve it.
    """

    edge: Edge
    partner: Partner
    variables: Mapping[str, Any] = field(default_factory=dict)
    dialled: Sequence[str] = ()

    @property
    def domains(self) -> List[str]:
        """The domains to look up."""
        found = dict.fromkeys((self.edge.service.domain, self.partner.service.domain))
        return [domain for domain in found if "." in domain.strip(".")]

    @property
    def ports(self) -> List[int]:
        """The ports to watch."""
        return sorted(set(self.edge.options.ports.values()))

    @property
    def narrowed(self) -> Edge:
        """The edge with this partner alone, so that the whole firewall is evaluated for it."""
        given = {**given_options(self.variables), PARTNERS.option: list(self.partner.addresses), "state": "present"}
        given.pop(PARTNER_DOMAINS, None)
        options = parse_options(given)
        return replace(self.edge, options=options, rules=compile_rules(options))

    def with_rules(self, rules: Mapping[str, Any]) -> Case:
        """Return the case with the addresses that the edge has for its partners by domain. rules: a look at it."""
        found = {group: some for group, some in (rules.get("partner_addresses") or {}).items() if some}
        known = with_addresses(compile_rules(self.edge.options), found)
        knows = set(found) >= set(self.edge.options.domains)
        return replace(self, edge=replace(self.edge, rules=known, knows_partners=knows))

    @property
    def outbound(self) -> List[Flow]:
        """The flows to the partner."""
        return flows_of_edge(replace(self.edge, partners=[self.partner]), [], deep=True)

    @property
    def local(self) -> List[Flow]:
        """The flows from the edge to its own servers."""
        return [
            Flow(
                row=row.id,
                edge=self.edge.name,
                origin=self.edge.name,
                target=self.edge.name,
                direction="in",
                source=address,
                address=address,
                own=address,
                port=self.edge.options.ports[row.port_option],
                required=True,
                level=LEVELS[row.protocol],
                served=self.edge.service,
                shown=self.partner.service if row.local is ACCESS else self.edge.service,
            )
            for row in self.edge.options.rows
            if row.direction == "in"
            for address in self.edge.addresses(row.local.option)
        ]

    def with_names(self, result: Mapping[str, Any]) -> Case:
        """Return the case with what DNS says of the partner, where nobody has said it. result: of xmpp.edge.probe."""
        records = (result.get("names") or {}).get(self.partner.service.domain) or {}
        partner = self.partner
        if not partner.addresses:
            found = {one: None for addresses in (records.get("addresses") or {}).values() for one in addresses}
            partner = replace(partner, addresses=list(found))
        services = records.get("services") or {}
        starttls, at_once = (services.get(name) or [] for name in ("_xmpp-server", "_xmpps-server"))
        if at_once and not starttls:
            partner = replace(partner, service=replace(partner.service, direct_tls=True))
        return replace(self, partner=partner)

    def probe_arguments(self, timeout: float) -> Dict[str, Any]:
        """Return the options of xmpp.edge.probe."""
        pair = {"from": self.edge.service.domain, "to": self.partner.service.domain}
        return {
            "targets": [as_target(flow) for flow in (*self.outbound, *self.local)],
            "routes": list(self.partner.addresses),
            "sources": list(self.partner.addresses),
            "pings": [pair],
            "timeout": timeout,
        }

    def to_ask(self, watch: Optional[str]) -> Dict[str, Any]:
        """Return the options of xmpp.edge.connection_info, after the attempts."""
        asked: Dict[str, Any] = {
            "listeners": self.ports,
            "paths": list(self.partner.addresses),
            "sources": [*self.edge.addresses(ACCESS.option), *self.edge.addresses(INTERNAL.option)],
        }
        row = self.edge.federation_row("out")
        if row:
            asked["connected_to"] = self.edge.options.ports[row.port_option]
        row = self.edge.federation_row("in")
        if row:
            asked["accepted_at"] = self.edge.options.ports[row.port_option]
        return {**asked, "watch": watch} if watch else asked


@dataclass(frozen=True)
class Seen:
    """What a host has told. case: with what DNS says; names, probed: of xmpp.edge.probe; told: of
    xmpp.edge.connection_info; rules, peer_rules: looks at the edge, and at the edge for this partner alone.
    """

    case: Optional[Case] = None
    names: Mapping[str, Any] = field(default_factory=dict)
    probed: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    peer_rules: Mapping[str, Any] = field(default_factory=dict)
    not_probed: str = ""


def read_case(variables: Mapping[str, Any], options: Mapping[str, Any]) -> Case:
    """Return the edge of a task and the partner that its options name. Raises OptionError."""
    name, hosts = variables["inventory_hostname"], variables["hostvars"]
    if name not in variables["groups"].get(EDGES, ()):
        raise OptionError(EDGES, name, "is no edge", f"put the host into the group {EDGES}")
    edge = read_edge(name, hosts[name])
    domain = str(options["domain"]).strip().rstrip(".")
    if not domain or any(character.isspace() for character in domain):
        raise OptionError("domain", options["domain"], "is no domain", "say the domain of a partner")
    if domain == edge.service.domain:
        raise OptionError("domain", domain, "is the edge's own", "say the domain of a partner")
    addresses = [text_of(parse_address("addresses", str(one))) for one in options["addresses"] or ()]
    known = next((one for one in edge.partners if domain in (one.name, one.service.domain)), None)
    if known is None:
        known = _among_hosts(domain, variables)
    partner = known or Partner(domain, (), Service(domain))
    edges = [edge, *(read_edge(one, hosts[one]) for one in variables["groups"][EDGES] if one != name)]
    return Case(
        edge,
        replace(partner, addresses=addresses) if addresses else partner,
        hosts[name],
        addresses_of_domain(edges, edge.service.domain),
    )


def _among_hosts(domain: str, variables: Mapping[str, Any]) -> Optional[Partner]:
    """Return the partner of the inventory with a domain, None for none."""
    for host in variables["groups"].get("xmpp_partner", ()):
        vantage = read_vantage(host, "xmpp_partner", variables["hostvars"][host])
        if domain in (vantage.name, vantage.service.domain):
            return Partner(vantage.name, vantage.addresses, vantage.service)
    return None


def diagnose(case: Case, seen: Seen, time: str) -> Diagnosis:
    """Return all checks. time: of the run, in ISO 8601."""
    case = seen.case or case
    checks = list(_checks(case, seen, time))
    return Diagnosis(case.edge.name, case.partner.service.domain, checks)


def _checks(case: Case, seen: Seen, time: str) -> Iterator[Check]:
    """Yield the checks, in the order in which causes come first."""
    edge, partner = case.edge, case.partner
    yield Check("inputs", HOLDS, f"the inventory of {edge.name} is sound")
    if seen.not_probed:
        yield from _rules(case, seen)
        yield Check("everything else", NOT_LOOKED_AT, seen.not_probed)
        return
    if "results" not in seen.probed:
        yield Check("everything", NOT_LOOKED_AT, str(seen.probed.get("msg") or "the host has told nothing"))
        return
    findings = _findings(case, seen)
    yield from _names(case, seen)
    local = [one for one in findings if one.flow.target == edge.name]
    for row in edge.options.rows:
        if row.direction == "in" and row.local is ACCESS:
            yield from _listener(case, seen, row, [one for one in local if one.flow.row == row.id])
    yield from _sources(case, seen)
    yield from _rules(case, seen)
    outbound = [one for one in findings if one.flow.target == partner.name]
    yield from _attempts(case, outbound)
    yield from _certificates(seen, findings, time)
    yield from _authentication(case, seen, outbound)
    yield from _inbound(case, seen)
    for row in edge.options.rows:
        if row.direction == "in" and row.local is INTERNAL:
            yield from _listener(case, seen, row, [one for one in local if one.flow.row == row.id])


def _findings(case: Case, seen: Seen) -> List[Finding]:
    """Return the finding on each flow that was attempted."""
    edge, told = case.edge, seen.told
    rules = seen.peer_rules if "rows" in seen.peer_rules else seen.rules
    state = HostState(
        rules.get("rows") or {},
        seen.rules.get("drift") or (),
        seen.probed.get("routes") or {},
        told.get("listeners"),
        told.get("paths") or {},
        told.get("strict_devices") or (),
    )
    found = []
    for flow, result in zip([*case.outbound, *case.local], seen.probed["results"]):
        passage = Passage()
        if flow.direction == "out":
            source_port = result["facts"].get("source_port")
            passage = passage_of(flow, flow.source, source_port, told.get("packets"), None)
        states = {edge.name: state, case.partner.name: HostState()}
        finding = evaluate(flow, result, flow.source, edge, states, passage)
        if finding is not None:
            found.append(finding)
    return found


def _names(case: Case, seen: Seen) -> Iterator[Check]:
    own, partner = case.edge.service.domain, case.partner.service.domain
    for topic, domain, partners in (("own DNS", own, []), ("DNS of the partner", partner, [partner])):
        if "names" not in seen.names:
            yield Check(topic, NOT_LOOKED_AT, str(seen.names.get("names_not_asked") or "nothing was looked up"))
            continue
        if domain not in seen.names["names"]:
            yield Check(topic, NOT_LOOKED_AT, f"'{domain}' is no domain that DNS can have")
            continue
        whose = str(seen.names.get("names_by") or f"the resolver of {case.edge.name}")
        names = Names({domain: seen.names["names"][domain]}, whose)
        told = name_findings(case.edge, case.dialled, partners, names)
        if told.problems:
            yield from (_fault(topic, problem) for problem in told.problems)
        elif told.notes:
            yield Check(topic, NOT_LOOKED_AT, "; ".join(told.notes))
        else:
            yield Check(topic, HOLDS, f"{names.whose} finds {domain} as the table says")


def _listener(case: Case, seen: Seen, row: Row, findings: Sequence[Finding]) -> Iterator[Check]:
    """Yield what listens for a row, and whether it speaks what the table says."""
    topic, port = f"own server for {row.id}", case.edge.options.ports[row.port_option]
    listening = seen.told.get("listeners")
    for address in case.edge.addresses(row.local.option):
        fitting = [one for one in listening or () if one["port"] == port and is_for(str(one["address"]), address)]
        process = (fitting[0]["process"] or "a program") if fitting else ""
        finding = next((one for one in findings if one.flow.address == address), None)
        if listening is not None and not fitting:
            remedy = "start the server, or let it listen there"
            yield Check(topic, FAULT, f"nobody listens on port {port} of {address}", remedy)
        elif finding is None:
            yield Check(topic, NOT_LOOKED_AT, f"port {port} of {address} was not attempted")
        elif finding.observed in CLOSED:
            # The rules below say why.
            sentence = (
                f"{process or 'a server'} cannot be reached at {address} from this host itself: {finding.observed}"
            )
            yield Check(topic, NOT_LOOKED_AT, sentence)
        elif finding.cause:
            yield Check(topic, FAULT, f"{address}: {finding.cause.text}", finding.cause.what_to_do)
        else:
            who = f"{process} listens" if process else "a server listens"
            yield Check(topic, HOLDS, f"{who} on port {port} of {address}: {finding.observed.replace('_', ' ')}")


def _sources(case: Case, seen: Seen) -> Iterator[Check]:
    topic = "source address and route"
    told = source_problems(case.edge, seen.probed, seen.told)
    if told.problems:
        yield from (_fault(topic, problem) for problem in told.problems)
        return
    lacking = [address for address, has_one in (seen.probed.get("routes") or {}).items() if not has_one]
    own = {family_of(one) for one in case.edge.addresses(ACCESS.option)}
    missing = [address for address in lacking if family_of(address) in own]
    if missing:
        yield Check(topic, FAULT, f"{case.edge.name} has no route to {' and '.join(missing)}", "add one")
    elif told.notes:
        yield Check(topic, HOLDS, f"each address has a route; {told.notes[0]}")
    elif any(family_of(one) in own for one in case.partner.addresses):
        yield Check(topic, HOLDS, f"{case.edge.name} has a route to the partner, from an access address")
    elif case.partner.addresses:
        yield Check(topic, NOT_LOOKED_AT, f"{case.edge.name} has no address in a family of the partner")
    else:
        yield Check(topic, NOT_LOOKED_AT, "no address of the partner is known; give addresses")


def _rules(case: Case, seen: Seen) -> Iterator[Check]:
    """Yield whether the rules are those of the inventory, and whether the whole firewall lets this partner pass."""
    if "rows" not in seen.rules:
        yield Check("rules as found", NOT_LOOKED_AT, str(seen.rules.get("msg") or "the host has told nothing"))
        return
    problems = list(problems_of(case.edge, seen.rules))
    if problems:
        yield from (_fault("rules as found", problem) for problem in problems)
    else:
        yield Check("rules as found", HOLDS, f"they are those of the inventory of {case.edge.name}")
    topic = "the whole firewall, for this partner"
    rows = seen.peer_rules.get("rows")
    if not case.partner.addresses or rows is None:
        reason = seen.peer_rules.get("msg") if case.partner.addresses else "no address of the partner is known"
        yield Check(topic, NOT_LOOKED_AT, str(reason or "the host has told nothing"))
        return
    for row in case.edge.options.rows:
        if row.local is ACCESS:
            yield _passes(case, row, rows.get(row.id) or {}, topic)


def _passes(case: Case, row: Row, entry: Mapping[str, Any], topic: str) -> Check:
    """Return whether a row lets this partner pass: by the inventory, and by what was found."""
    port = case.edge.options.ports[row.port_option]
    for address in case.partner.addresses:
        own = [one for one in case.edge.addresses(ACCESS.option) if family_of(one) == family_of(address)]
        pairs = [(address, one) if row.direction == "in" else (one, address) for one in own]
        if any(is_open(case.edge, row.direction, port, source, target) is False for source, target in pairs):
            option = case.edge.partners_option if row.direction == "out" else f"xmpp_edge_{PARTNERS.option}"
            sentence = f"{address} is not in {option}, so row {row.id} is closed to it"
            again = (
                "" if option.endswith(PARTNERS.option) else "run xmpp.edge.site, which looks its domain up again, or "
            )
            return Check(topic, FAULT, sentence, f"{again}list it, if the partner may connect")
    word, decided = entry.get("effective"), decision(entry)
    if word == "yes":
        return Check(topic, HOLDS, f"row {row.id} passes ({decided})")
    if word == "no":
        return Check(topic, FAULT, f"row {row.id} is dropped: {decided}", "correct that rule")
    return Check(topic, NOT_LOOKED_AT, f"whether row {row.id} passes is not known: {decided}")


def _attempts(case: Case, findings: Sequence[Finding]) -> Iterator[Check]:
    topic = "connection to the partner"
    if not findings:
        families = " and ".join(sorted({family_of(one) for one in case.partner.addresses})) or "no address"
        yield Check(topic, NOT_LOOKED_AT, f"nothing could be attempted: the partner has {families}")
    for finding in findings:
        place = f"{finding.flow.address} port {finding.flow.port}"
        if finding.verdict == FAILS and finding.cause:
            yield Check(topic, FAULT, f"{place}: {finding.cause.text}", finding.cause.what_to_do)
        else:
            version = (finding.facts.get("tls") or {}).get("version") or "no TLS"
            yield Check(topic, HOLDS, f"{place}: {finding.observed.replace('_', ' ')}, {version}")


def _certificates(seen: Seen, findings: Sequence[Finding], time: str) -> Iterator[Check]:
    """Yield what is wrong with the certificates of both sides."""
    topic = "certificates"
    told = certificate_notes(findings, time)
    shown = [finding for finding in findings if finding.facts.get("tls")]
    # Servers that reach each other accept what others might refuse, and a date to come is no fault yet.
    federates = any(one["answered"] for one in seen.probed.get("pings") or ())
    if told:
        for note in told:
            state = HOLDS if federates or " expires within " in note else FAULT
            yield Check(topic, state, note, "renew or replace it")
    elif shown:
        yield Check(topic, HOLDS, "those that were shown are for their domains, trusted here, and not about to expire")
    else:
        yield Check(topic, NOT_LOOKED_AT, "no server has shown one")


def _authentication(case: Case, seen: Seen, findings: Sequence[Finding]) -> Iterator[Check]:
    topic = "authentication and policy"
    pings = seen.probed.get("pings") or ()
    answered = [one for one in pings if one["answered"]]
    if answered:
        yield Check(topic, HOLDS, f"the own server reaches {case.partner.service.domain}, as it says itself")
        return
    told = ping_findings(findings, [(case.edge.name, pings)])
    yield from (_fault(topic, problem) for problem in told.problems)
    if not told.problems:
        reason = told.notes[0] if told.notes else "a connection fails before"
        yield Check(topic, NOT_LOOKED_AT, reason)


def _inbound(case: Case, seen: Seen) -> Iterator[Check]:
    """Yield whether the partner connects to the edge, as far as it has tried meanwhile."""
    topic, addresses = "connections from the partner", set(case.partner.addresses)
    peers = addresses & set(seen.told.get("accepted_from") or ())
    row = case.edge.federation_row("in")
    if row is None:
        return
    port = case.edge.options.ports[row.port_option]
    if peers:
        yield Check(topic, HOLDS, f"one from {' and '.join(sorted(peers))} is established")
        return
    packets = seen.told.get("packets")
    if packets is None:
        yield Check(topic, NOT_LOOKED_AT, str(seen.told.get("not_watched") or "nobody has watched"))
        return
    tried = [
        one
        for one in packets
        if one["kind"] == SYN and not one["sent"] and one["port"] == port and one["source"] in addresses
    ]
    if not tried:
        yield Check(topic, NOT_LOOKED_AT, "the partner has not tried to connect meanwhile")
    for one in tried[:1]:
        answers = {
            answer["kind"]
            for answer in packets
            if answer["sent"] and (answer["destination"], answer["port"]) == (one["source"], one["source_port"])
        }
        if SYN_ACK in answers:
            yield Check(topic, HOLDS, f"{one['source']} has connected, and was answered")
        elif answers:
            yield Check(topic, FAULT, f"{one['source']} tries to connect, and is reset", "look at the server above")
        else:
            sentence = f"packets from {one['source']} arrive, and get no answer"
            yield Check(topic, FAULT, sentence, "look at the rules and the server above")


def _fault(topic: str, problem: Problem) -> Check:
    lines = f" ({'; '.join(problem.lines)})" if problem.lines else ""
    return Check(topic, FAULT, problem.sentence + lines, problem.remedy)


def lines_of(diagnosis: Diagnosis) -> List[str]:
    """Return the lines that the task displays."""
    first = diagnosis.first
    lines = ["", f"{diagnosis.edge} and {diagnosis.domain}"]
    if first:
        lines += [f"First cause: {first.topic}: {first.sentence}", f"To do: {first.remedy or 'look at it'}."]
    elif diagnosis.holds:
        lines.append("All was looked at, and holds.")
    else:
        lines.append("No fault was found; not all could be looked at.")
    for title, state in (("Faults", FAULT), ("Ruled out", HOLDS), ("Not looked at", NOT_LOOKED_AT)):
        found = [check for check in diagnosis.checks if check.state == state]
        if found:
            lines += [f"{title}:", *(f"  {check.topic}: {check.sentence}" for check in found)]
    return lines


def result_of(diagnosis: Diagnosis, fail: bool) -> Dict[str, Any]:
    """Return the result of the task. fail: whether it fails unless all was looked at and holds."""
    first = diagnosis.first
    checks = [
        {"topic": one.topic, "state": one.state, "sentence": one.sentence, "remedy": one.remedy}
        for one in diagnosis.checks
    ]
    summary = f"first cause: {first.topic}: {first.sentence}" if first else "no fault was found"
    if not first and not diagnosis.holds:
        summary = "no fault was found; not all could be looked at"
    told = {"changed": False, "msg": summary, "holds": diagnosis.holds, "checks": checks}
    return {**told, "failed": True} if fail and not diagnosis.holds else told
