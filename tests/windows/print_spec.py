# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacement for pwsh when ansible-test requests the argument spec of a module. Refuses everything else.

Usage: print_spec.py PATH/ps_argspec.ps1 MANIFEST, where MANIFEST is JSON with module_path.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from powershell import Source, argument_spec


def main(arguments: list[str]) -> int:
    """Print the spec as JSON."""
    if len(arguments) != 2 or Path(arguments[0]).name != "ps_argspec.ps1":
        print("print_spec: replaces pwsh for ps_argspec.ps1 only", file=sys.stderr)
        return 2
    path = Path(json.loads(arguments[1])["module_path"])
    print(json.dumps(argument_spec(Source(path.name, path.read_text(encoding="utf-8")))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
