# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the port table from outside: flows to attempt, verdicts on their results, and evidence.

Only the writing of evidence touches the file system.
"""
