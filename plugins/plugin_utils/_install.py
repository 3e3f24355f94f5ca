# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installation of the one package that the collection may install."""

from __future__ import annotations

import typing as t

from ansible_collections.xmpp.edge.plugins.module_utils._edge.model.errors import EdgeError
from ansible_collections.xmpp.edge.plugins.module_utils._edge.request.variables import INSTALL

PACKAGE = "nftables"
"""Its name in all distributions that are supported. A firewall manager would close ports, so none is installed."""

Execute = t.Callable[[str, t.Mapping[str, t.Any]], t.Mapping[str, t.Any]]
"""Function that runs a module on the host, given its name and options, and returns its result."""

RunPackage = t.Callable[[t.Mapping[str, t.Any]], t.Mapping[str, t.Any]]
"""Function that runs ansible.builtin.package with options, and returns its result."""


def install(execute: Execute, run_package: RunPackage) -> None:
    """Install the package on the host. Raises EdgeError.

    The lists of apt may be missing in a container or stale on a host. They are read anew only where the package cannot
    be installed without that, since a single source that fails would make the whole refresh fail.
    """
    facts = execute("ansible.legacy.setup", {"filter": ["ansible_pkg_mgr"], "gather_subset": ["!all"]})
    uses_apt = facts.get("ansible_facts", {}).get("ansible_pkg_mgr") == "apt"
    wanted = {"name": PACKAGE, "state": "present"}
    tries: list[dict[str, t.Any]] = [{}, {"update_cache": True}] if uses_apt else [{}]
    fault = ""
    for more in tries:
        done = execute("ansible.legacy.apt", {**wanted, **more}) if uses_apt else run_package(wanted)
        if not done.get("failed"):
            return
        fault = fault or " ".join(str(done.get("msg") or "").split())
    raise EdgeError(
        f"nft is not installed on this host, and the package {PACKAGE} cannot be installed ({fault}); "
        f"install it yourself, and say {INSTALL}: false if the host is to install nothing"
    )
