# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluation of packets against a host's whole firewall, from its listing alone.

Nothing here does any I/O. What cannot be known from a listing makes an answer unknown, never a guess.
"""
