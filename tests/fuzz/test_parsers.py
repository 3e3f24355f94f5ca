# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short run of the coverage-guided fuzzing of each parser."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
COUNT = int(os.environ.get("XMPP_EDGE_EXAMPLES", "2000"))
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: parsers were NOT fuzzed by coverage"
)


@pytest.mark.parametrize("name", ["nft", "nft_rules", "managed_table", "iptables", "ufw", "firewalld"])
def test_parser(name):
    command = [sys.executable, str(HERE / "parsers.py"), name, f"-runs={COUNT}", "-max_len=100000"]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {COUNT} runs" in done.stderr
