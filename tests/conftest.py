# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this checkout importable as the collection, with no installed Ansible needed for the pure parts."""

from __future__ import annotations

import sys
import types
from pathlib import Path

from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parents[1]


def _register(name: str, path: list) -> None:
    module = types.ModuleType(name)
    module.__path__ = path
    sys.modules[name] = module


_register("ansible_collections", [])
_register("ansible_collections.xmpp", [])
_register("ansible_collections.xmpp.edge", [str(CHECKOUT)])

# How long an example takes depends on the machine; speed is measured elsewhere. Nothing is kept in the checkout.
settings.register_profile("untimed", deadline=None, database=None)
settings.load_profile("untimed")
