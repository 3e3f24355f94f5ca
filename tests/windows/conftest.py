# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this checkout importable as the collection, as for the unit tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "unit_conftest", Path(__file__).resolve().parents[1] / "unit" / "conftest.py"
)
_spec.loader.exec_module(importlib.util.module_from_spec(_spec))
