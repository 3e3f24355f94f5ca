# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer's walk: from an empty folder to a protected Prosody, by what the README prints and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import edge
import pytest

README = (edge.CHECKOUT / "README.md").read_text()
INVENTORY = re.search(r"## A host with Prosody.*?```yaml\n(.*?)```", README, re.DOTALL)[1]


def commands_of(section):
    """Return the commands that a section of the README prints."""
    (block,) = re.findall(rf"^## {section}\n.*?```console\n(.*?)```", README, re.DOTALL | re.MULTILINE)[:1]
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


COMMANDS = [*commands_of("Install"), *commands_of("A host with Prosody or ejabberd")]
LATER = commands_of("Look at a host later")
REQUIREMENTS = re.search(r"`requirements.yml`.*?```yaml\n(.*?)```", README, re.DOTALL)[1]
HOST = re.search(r"^    (\S+):$", INVENTORY, re.MULTILINE)[1]
ADDRESSES = re.findall(r"[\d.]+\.\d+|[0-9a-f:]+::\d+", INVENTORY)
SOURCE = edge.TOPOLOGY.addresses("edge", "external")


class Galaxy(BaseHTTPRequestHandler):
    """The part of a Galaxy server's API that a client needs to install this one collection."""

    def do_GET(self):
        path = self.path.partition("?")[0].rstrip("/")
        version = self.server.version
        base = f"http://127.0.0.1:{self.server.server_port}"
        collection = "/api/v3/collections/xmpp/edge"
        artifact = {"sha256": hashlib.sha256(self.server.tarball).hexdigest(), "filename": "edge.tar.gz", "size": 1}
        answers = {
            "/api": {"available_versions": {"v3": "v3/"}},
            collection: {"namespace": "xmpp", "name": "edge", "highest_version": {"version": version}},
            f"{collection}/versions": {"meta": {"count": 1}, "links": {"next": None}, "data": [{"version": version}]},
            f"{collection}/versions/{version}": {
                "version": version,
                "href": f"{base}{collection}/versions/{version}/",
                "namespace": {"name": "xmpp"},
                "collection": {"name": "edge"},
                "download_url": f"{base}/edge.tar.gz",
                "artifact": artifact,
                "metadata": {"dependencies": {}},
                "signatures": [],
            },
        }
        answer = json.dumps(answers.get(path, {"message": "not found"})).encode()
        content = self.server.tarball if path == "/edge.tar.gz" else answer
        self.send_response(200 if path == "/edge.tar.gz" or path in answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        """Keep the output of the test clean."""


@pytest.fixture
def galaxy(tmp_path):
    """Yield the address of a server that has the collection as it would be published."""
    # A copy, because a build in place would also pack what git ignores.
    (tmp_path / "source").mkdir()
    subprocess.run([edge.CHECKOUT / "tests" / "tools" / "copy-sources", tmp_path / "source"], check=True)
    build = [
        "ansible-galaxy",
        "collection",
        "build",
        "--output-path",
        str(tmp_path / "built"),
        str(tmp_path / "source"),
    ]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = (tmp_path / "built").iterdir()
    server = HTTPServer(("127.0.0.1", 0), Galaxy)
    server.tarball = tarball.read_bytes()
    server.version = tarball.name.removesuffix(".tar.gz").rpartition("-")[2]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def host():
    """Yield the edge with the README's addresses, and with nothing managed; partner and outsider have a way there."""
    found, others = edge.host(), [edge.host(name) for name in ("partner", "outsider")]
    edge.play("remove")
    for address, via in zip(ADDRESSES, SOURCE):
        found.check_output(f"ip address replace {address} dev lo")
        for one in others:
            one.check_output(f"ip route replace {address} via {via}")
    yield found
    edge.play("remove")
    for address in ADDRESSES:
        found.run(f"ip address del {address} dev lo")
        for one in others:
            one.run(f"ip route del {address}")


def opens(vantage, address):
    """Return whether a host gets a connection to the server-to-server port of an address."""
    dial = f"import socket; socket.create_connection(('{address}', 5269), 3)"
    return edge.host(vantage).run(f'python3 -c "{dial}"').rc == 0


def test_from_an_empty_folder_to_a_protected_server(host, galaxy, tmp_path):
    assert len(INVENTORY.splitlines()) <= 10
    folder = tmp_path / "walk"
    folder.mkdir()
    (folder / "inventory.yml").write_text(INVENTORY)
    # The host is a container here; the README's has SSH.
    (folder / "host_vars").mkdir()
    connection = {"ansible_connection": "containers.podman.podman", "ansible_host": edge.TOPOLOGY.container("edge")}
    (folder / "host_vars" / f"{HOST}.yml").write_text(json.dumps({**connection, "ansible_become": False}))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_COLLECTIONS")},
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_GALAXY_SERVER": galaxy,
        "ANSIBLE_NOCOLOR": "1",
    }

    def run(command):
        done = subprocess.run(
            command.split(),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done

    install, check, apply = COMMANDS
    run(install)
    (folder / "requirements.yml").write_text(REQUIREMENTS)
    run("ansible-galaxy collection install -r requirements.yml --force")
    assert "predicted" in run(check).stdout
    assert "inet xmpp_edge" not in host.check_output("nft list tables")
    output = run(apply).stdout
    closing = f"{HOST}: changed, nftables, effective yes, guarded yes, confirmed yes, persisted yes"
    assert closing in README
    assert closing in output
    for address in ADDRESSES:
        assert opens("partner", address)
    for address in SOURCE:
        assert not opens("partner", address)
    assert (
        "no change"
        in subprocess.run(
            COMMANDS[-1].split(), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    )
