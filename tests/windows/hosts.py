# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows hosts for tests: the real PowerShell files on a simulator of the Windows firewall (simulator/Firewall.cs).

A host runs the module in two ways: by Ansible, as users do, and in one PowerShell that serves many runs, with the same
action plugin before it. The second way leaves out what Ansible itself does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import ansible
import plays
import yaml
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.xmpp.edge.plugins.action.firewall import ActionModule
from overlay import CHECKOUT, HERE

SIMULATOR = HERE / "simulator"
NOT_RUN = "win_firewall.ps1 was NOT RUN: XMPP_EDGE_PWSH names no pwsh"
PROFILES = {"domain": 1, "private": 2, "public": 4}
POLICY_KEY = r"HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall"
OWN_ADDRESSES = ("198.18.0.2", "198.18.1.2", "2001:db8::2")
STOPPED, DENIED = 0x800706D9, 0x80070005


def pwsh() -> str:
    """Return the path of pwsh, empty where there is none."""
    return os.environ.get("XMPP_EDGE_PWSH", "")


def compiled_simulator() -> Path:
    """Return the simulator's assembly, which is compiled once for each of its texts."""
    digest = hashlib.sha256((SIMULATOR / "Firewall.cs").read_bytes() + pwsh().encode()).hexdigest()[:12]
    path = CHECKOUT / ".cache" / f"simulator-{digest}.dll"
    if not path.exists():
        new = path.with_name(f"simulator-{digest}-{os.getpid()}.dll")
        script = SIMULATOR / "compile.ps1"
        subprocess.run([pwsh(), "-NoProfile", "-NonInteractive", "-File", script, new], check=True)
        new.replace(path)
    return path


def settings(store: Path) -> dict[str, str]:
    """Return the environment in which PowerShell has the simulator. store: the file of the firewall."""
    return {"XMPP_EDGE_FIREWALL": str(store), "XMPP_EDGE_SIMULATOR": str(compiled_simulator())}


def own_network(addresses: tuple[str, ...]) -> list[str]:
    """Return the beginning of a command that runs in a network namespace with these addresses alone."""
    add = "".join(f"ip address add {address} dev lo nodad && " for address in addresses)
    return ["unshare", "--net", "sh", "-c", f'ip link set lo up && {add}exec "$@"', "sh"]


class Server:
    """One PowerShell that runs the module again and again."""

    def __init__(self, store: Path) -> None:
        self._store = store
        script, library = SIMULATOR / "serve.ps1", Path(ansible.__file__).parent
        self._process = subprocess.Popen(
            [*own_network(()), pwsh(), "-NoProfile", "-NonInteractive", "-File", script, library, CHECKOUT / "plugins"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings(store)},
        )
        self._addresses: tuple[str, ...] = ()
        assert self._read() == "ready"

    def run(self, store: Path, addresses: tuple[str, ...], **request: Any) -> dict[str, Any]:
        """Return the answer to a request on a host. addresses: that it has; request: options, or a script."""
        self._carry(addresses)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"store": str(store), **request}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._read())
        assert "fault" not in answer, answer
        return answer

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def _carry(self, addresses: tuple[str, ...]) -> None:
        if addresses == self._addresses:
            return
        lines = [f"address del {one} dev lo" for one in self._addresses]
        lines += [f"address add {one} dev lo nodad" for one in addresses]
        command = ["nsenter", "--target", str(self._process.pid), "--net", "ip", "-batch", "-"]
        subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True)
        self._addresses = addresses


class Line:
    """A connection of a warm action. resets: number of new connections; cut: True for new connections that fail."""

    transport = "local"

    def __init__(self) -> None:
        self.resets, self.cut = 0, False

    def get_option(self, name: str) -> Any:
        """Have no option."""
        raise KeyError(name)

    def reset(self) -> None:
        """Open a new connection."""
        self.resets += 1
        if self.cut:
            raise AnsibleConnectionFailure("no route to host")


class WarmAction(ActionModule):
    """The action plugin, which hands the module's options to a server in place of a connection."""

    def __init__(self, host: Windows, arguments: dict[str, Any], check_mode: bool) -> None:
        self._host = host
        self._task: Any = SimpleNamespace(
            args=arguments, check_mode=check_mode, delegate_to=None, no_log=True, _role=None, get_ds=dict
        )
        self._templar: Any = SimpleNamespace(template=lambda value: value)
        self._connection: Any = host.line

    _is_windows = True  # type: ignore[assignment]

    def _on_host(self, module: str, arguments: Any, variables: Any) -> dict[str, Any]:
        assert module == "xmpp.edge.win_firewall"
        return self._host.module(self._task.check_mode, **arguments)


class Windows:
    """A Windows host. store: the file of its firewall; addresses: that it has."""

    def __init__(self, folder: Path, server: Server | None, others: list[dict[str, Any]]) -> None:
        self.folder, self._server, self._others = folder, server, others
        self.addresses: tuple[str, ...] = OWN_ADDRESSES
        self.line = Line()
        self.store = folder / "firewall.json"
        profile = {"enabled": True, "blocks_all_inbound": False}
        profiles = {name: dict(profile) for name in PROFILES}
        self.save(rules=others, calls=0, state={"current_profiles": 4, "profiles": profiles}, registry={})

    @property
    def firewall(self) -> dict[str, Any]:
        """The store."""
        return json.loads(self.store.read_text())

    @property
    def managed(self) -> list[dict[str, Any]]:
        """The rules that were not there before the test."""
        return [rule for rule in self.firewall["rules"] if rule not in self._others]

    def save(self, **changes: Any) -> None:
        """Change parts of the store."""
        known = self.firewall if self.store.exists() else {}
        self.store.write_text(json.dumps({**known, **changes}))

    def profile(self, name: str, **changes: Any) -> None:
        """Change local settings of a profile."""
        state = self.firewall["state"]
        state["profiles"][name].update(changes)
        self.save(state=state)

    def policy(self, key: str, **values: Any) -> None:
        """Have group policy set values of a key below its own, such as PublicProfile."""
        registry = self.firewall["registry"]
        registry.setdefault(f"{POLICY_KEY}\\{key}", {}).update(values)
        self.save(registry=registry)

    def module(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Return the answer of the module itself."""
        assert self._server is not None
        given = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        return self._server.run(self.store, self.addresses, options=given)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks of the host's scheduler."""
        return self.firewall.get("tasks", [])

    def run_task(self) -> None:
        """Run what the only task runs, as the scheduler does when its time has come."""
        (task,) = self.tasks
        before, _option, encoded = task["arguments"].partition(" -EncodedCommand ")
        assert before == "-NoProfile -NonInteractive"
        assert self.run_script(base64.b64decode(encoded, validate=True).decode("utf-16-le")) == {}

    def run_script(self, script: str) -> dict[str, Any]:
        """Run a script on the host, and return nothing or its fault."""
        assert self._server is not None
        return self._server.run(self.store, self.addresses, script=script)

    def run(self, *flags: str, **options: Any) -> dict[str, Any]:
        """Return the result of one task. flags: --check, or none."""
        assert set(flags) <= {"--check"}
        action = WarmAction(self, options, bool(flags))
        with mock.patch.object(ActionBase, "run", lambda *_arguments: {}):
            return action.run(None, {"inventory_hostname": "edge", "hostvars": {}})

    def play(
        self, collections: Path, play: dict[str, Any], *arguments: str, inventory: str = "edge,", pipelining="false"
    ):
        """Run a play by Ansible, and return the finished process."""
        path = self.folder / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        command = [plays.ansible_command("ansible-playbook"), "-i", inventory, "--diff", *arguments, str(path)]
        return subprocess.run(
            [*own_network(self.addresses), *command],
            env={
                **os.environ,
                **settings(self.store),
                "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_PIPELINING": pipelining,
            },
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run_by_ansible(self, collections: Path, *arguments: str, pipelining: str = "false", **options: Any):
        """Return the result of one task that Ansible runs, which may have failed."""
        output = self.folder / "result.json"
        output.unlink(missing_ok=True)
        copy = {"content": "{{ result | to_json }}", "dest": str(output)}
        task = {"xmpp.edge.firewall": options, "register": "result", "ignore_errors": True}
        save = {"ansible.builtin.copy": copy, "check_mode": False, "vars": {"ansible_connection": "local"}}
        play = {
            "hosts": "edge",
            "gather_facts": False,
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "ansible_pwsh_interpreter": pwsh(),
            },
            "tasks": [task, save],
        }
        done = self.play(collections, play, *arguments, pipelining=pipelining)
        assert output.exists(), done.stdout
        assert "Traceback" not in done.stdout
        return json.loads(output.read_text())
