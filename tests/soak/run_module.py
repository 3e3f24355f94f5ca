# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module linux_firewall with options from standard input, as Ansible's wrapper does on a host."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ansible.module_utils import basic
from ansible_collections.xmpp.edge.plugins.modules import linux_firewall

basic._ANSIBLE_ARGS = b'{"ANSIBLE_MODULE_ARGS": ' + sys.stdin.buffer.read() + b"}"
basic._ANSIBLE_PROFILE = "legacy"
linux_firewall.main()
