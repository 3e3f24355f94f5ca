# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script of a change, which takes it back or lets it stand. It needs POSIX sh, coreutils and flock(1).

It stands in a folder of the change's own, which is named pending-TOKEN while the change waits for its confirmation,
restoring-TOKEN while it is taken back and confirmed-TOKEN while it is cleared away.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from shlex import quote
from typing import Sequence

from . import TAKEN_BACK_STATUS
from .restoration import Restoration

_SCRIPT = """\
#!/bin/sh
# Written by the Ansible collection xmpp.edge: takes a change of its rules back, or lets it stand.
# Usage: change confirm | keep | restore | timer | sleep SECONDS | boot
# With "keep" and "restore" the caller has the lock. The last three take the change back unless it was confirmed.
set -u
umask 077
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
home={home}
token={token}
lock={lock}
recovery={recovery}
how=$1
fault=

# Of the lock's file: the one that was opened may be one that its last holder has removed.
hold() {{
  while exec 9>> "$lock" && flock 9; do
    [ /proc/self/fd/9 -ef "$lock" ] && return
  done
  echo 'xmpp-edge: the lock cannot be had; going on without' >&2
}}

finish() {{ # exit status
  if [ -n "$recovery" ] && [ -e "$recovery" ]; then
    rm -f "$recovery" "${{recovery%/*}}/sysinit.target.wants/${{recovery##*/}}"
    # It is known to systemd only where something made that read all units since.
    [ "$(systemctl show --property=LoadState --value "${{recovery##*/}}")" = not-found ] || systemctl daemon-reload
  fi
  rm -rf "$home/confirmed-$token" "$home/restoring-$token"
  rmdir --ignore-fail-on-non-empty "$home"
  case "$how" in keep | restore) ;; *) rm -f "$lock" ;; esac
  exit "$1"
}}

case "$how" in
confirm | keep)
  [ "$how" = keep ] || hold
  if ! mv "$home/pending-$token" "$home/confirmed-$token" 2> /dev/null; then
    rm -f "$lock"
    exit {taken_back}
  fi
  [ ! -d /run/systemd/system ] || systemctl stop "xmpp-edge-rollback-$token.timer" 2> /dev/null
  [ ! -e "$home/confirmed-$token/cut" ] || . "$home/confirmed-$token/cut"
  finish 0
  ;;
sleep)
  left=$2
  while [ "$left" -gt 0 ] && [ -d "$home/pending-$token" ]; do
    sleep 1
    left=$((left - 1))
  done
  ;;
esac

[ "$how" = restore ] || hold
mv "$home/pending-$token" "$home/restoring-$token" 2> /dev/null
if ! cd "$home/restoring-$token" 2> /dev/null; then
  [ "$how" = restore ] || rm -f "$lock"
  exit 0
fi

put() {{ # path, mode, owner, saved copy
  part=${{1%/*}}/.xmpp-edge-$token
  [ -d "${{1%/*}}" ] || mkdir -p -m 755 "${{1%/*}}"
  rm -f "$part" && cp "$4" "$part" && chown "$3" "$part" && chmod "$2" "$part" && sync "$part" && mv -fT "$part" "$1"
}}

link() {{ # path, target
  part=${{1%/*}}/.xmpp-edge-$token
  [ -d "${{1%/*}}" ] || mkdir -p -m 755 "${{1%/*}}"
  rm -f "$part" && ln -s "$2" "$part" && mv -fT "$part" "$1"
}}

leave() {{ # folder
  [ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty "$1"
}}

files() {{
  :
{files}}}

files
{units}if [ "$how" != boot ]; then
  :
{live}fi
case "$how$fault" in
restore | keep) ;;
*)
  {{
    date -u '+%Y-%m-%d %H:%M:%S UTC'
    echo "$how"
    printf '%s\\n' "$fault"
  }} > "$home/.taken-back-$token" && mv -f "$home/.taken-back-$token" "$home/taken-back"
  ;;
esac
[ -z "$fault" ] || echo "xmpp-edge: not everything could be taken back:$fault" >&2
[ -z "$fault" ]
finish $?
"""

_UNITS = """\
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || fault="$fault systemctl daemon-reload;"
  if [ "$how" != boot ]; then
    {state}
  fi
fi
"""
_ACTIVE = 'systemctl start xmpp-edge.service || fault="$fault start of xmpp-edge.service;"'
_INACTIVE = "systemctl reset-failed xmpp-edge.service 2> /dev/null; systemctl stop xmpp-edge.service 2> /dev/null"


@dataclass(frozen=True)
class Places:
    """Where a change has what. home: folder of its folder; token: its name; lock: file of the host's lock; recovery:
    file of the unit that takes it back at the next boot, empty where there is none.
    """

    home: str
    token: str
    lock: str
    recovery: str


def change_script(places: Places, restoration: Restoration, files: Sequence[str]) -> str:
    """The script. files: the commands of saved_files."""
    return _SCRIPT.format(
        **{name: quote(value) for name, value in asdict(places).items()},
        taken_back=TAKEN_BACK_STATUS,
        files=_lines(files, "files"),
        units=_UNITS.format(state=_ACTIVE if restoration.active else _INACTIVE) if restoration.units else "",
        live=_lines(restoration.live, "live rules"),
    )


def _lines(commands: Sequence[str], what: str) -> str:
    """Shell lines that note what has failed, and go on."""
    return "".join(
        f'{{ {command}\n}} || fault="$fault {what}, step {number};"\n' for number, command in enumerate(commands, 1)
    )
