# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script of a change, which takes it back or lets it stand. It needs POSIX sh, coreutils and flock(1).

It stands in a folder of the change's own. How far the change has come is said by a file in it: "pending" while it may
be confirmed, "restoring" while it is taken back, "confirmed" once it is to stand.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from shlex import quote
from typing import Sequence

from ..model.rollback_data import RollbackData
from . import TAKEN_BACK_STATUS

_BANNER = """\
#!/bin/sh
# Written by the Ansible collection xmpp.edge: takes a change of its rules back, or lets it stand.
# Usage: change confirm | keep | restore | wait SECONDS | boot
# With "keep" and "restore" the caller has the lock. The last two take the change back unless it was confirmed.
#
# SELinux may keep a firewall program from files in this folder, and lets it read them from a pipe.
# shellcheck disable=SC2002
"""

# Verbatim: all that differs from change to change is assigned or defined before it.
_BODY = r"""
set -u
umask 077
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
folder=$home/change-$token
how=$1
held=
fault=

# The file that was opened may be one that the lock's last holder has removed.
hold() {
  while command exec 9>> "$lock" && timeout 60 flock 9; do
    # shellcheck disable=SC3013 # Every sh of a Linux host knows -ef, and POSIX has it since 2024.
    if [ /proc/self/fd/9 -ef "$lock" ]; then
      held=yes
      return
    fi
  done
  echo 'xmpp-edge: the lock cannot be had; going on without' >&2
}

let_go() {
  [ -z "$held" ] || rm -f "$lock"
}

systemd() {
  [ ! -d /run/systemd/system ] || timeout 60 systemctl "$@"
}

finish() { # exit status
  [ "$how" = wait ] || systemd stop "xmpp-edge-rollback-$token.service" 2> /dev/null
  if [ -n "$recovery" ] && [ -e "$recovery" ]; then
    rm -f "$recovery" "${recovery%/*}/sysinit.target.wants/${recovery##*/}"
    # It is known to systemd only where something made that read all units since.
    [ "$(systemd show --property=LoadState --value "${recovery##*/}")" = not-found ] || systemd daemon-reload
  fi
  rm -rf "$folder"
  rmdir --ignore-fail-on-non-empty "$home"
  let_go
  exit "$1"
}

case "$how" in
confirm | keep)
  [ "$how" = keep ] || hold
  if [ ! -e "$folder/pending" ]; then
    let_go
    exit "$taken_back"
  fi
  mv "$folder/pending" "$folder/confirmed" || exit 1
  # shellcheck source=/dev/null
  [ ! -e "$folder/cut" ] || . "$folder/cut"
  finish 0
  ;;
wait)
  left=$2
  : > "$folder/armed"
  while [ "$left" -gt 0 ] && [ -e "$folder/pending" ]; do
    sleep 1
    left=$((left - 1))
  done
  ;;
esac

[ "$how" = restore ] || hold
if ! cd "$folder" 2> /dev/null || [ -e confirmed ]; then
  let_go
  exit 0
fi
[ ! -e pending ] || mv pending restoring

make_folder() { # path of what is to stand in it
  [ -d "${1%/*}" ] || (umask 022 && mkdir -p "${1%/*}")
}

put() { # path, mode, owner, saved copy
  part=${1%/*}/.xmpp-edge-$token
  make_folder "$1"
  rm -f "$part" && cp "$4" "$part" && chown "$3" "$part" && chmod "$2" "$part" && sync "$part" && mv -fT "$part" "$1"
}

# Of a file that others write too, only our part is put back once they did.
part() { # path, mode, owner, saved copy, copy of what the change makes of it, command that merges
  if cmp -s "$1" "$4"; then
    return 0
  fi
  if cmp -s "$1" "$5"; then
    put "$1" "$2" "$3" "$4"
  else
    eval "$6" < "$1" > merged && put "$1" "$2" "$3" merged
  fi
}

link() { # path, target
  part=${1%/*}/.xmpp-edge-$token
  make_folder "$1"
  rm -f "$part" && ln -s "$2" "$part" && mv -fT "$part" "$1"
}

leave() { # folder
  [ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty "$1"
}

units() {
  [ -n "$unit" ] || return 0
  systemd daemon-reload || fault="$fault systemctl daemon-reload;"
  [ "$how" != boot ] || return 0
  if [ "$unit" = active ]; then
    systemd start xmpp-edge.service || fault="$fault start of xmpp-edge.service;"
  else
    systemd reset-failed xmpp-edge.service 2> /dev/null
    systemd stop xmpp-edge.service 2> /dev/null
  fi
  # To stop or start our unit loads and unloads rules.
  live
}

# What fails may succeed a moment later: a daemon is restarted, a disk is cleaned up.
for pause in 1 2 4 0; do
  fault=
  files
  [ "$how" = boot ] || live
  units
  [ -n "$fault" ] || break
  sleep "$pause"
done
case "$how$fault" in
restore) ;;
*)
  {
    date -u '+%Y-%m-%d %H:%M:%S UTC'
    echo "$how"
    printf '%s\n' "$fault" "$token"
  } > "$home/.taken-back-$token" && mv -f "$home/.taken-back-$token" "$home/taken-back"
  ;;
esac
if [ -n "$fault" ]; then
  echo "xmpp-edge: not everything could be taken back:$fault" >&2
  # The next boot or the next run tries again.
  [ "$how" = restore ] || {
    let_go
    exit 1
  }
  finish 1
fi
finish 0
"""


@dataclass(frozen=True)
class Places:
    """Where a change has what. home: folder of its folder; token: its name; lock: file of the host's lock; recovery:
    file of the unit that takes it back at the next boot, empty where there is none.
    """

    home: str
    token: str
    lock: str
    recovery: str


def change_script(places: Places, restoration: RollbackData, files: Sequence[str]) -> str:
    """The script. files: the commands of saved_files."""
    unit = ("active" if restoration.active else "inactive") if restoration.units else ""
    assignments = {**asdict(places), "unit": unit, "taken_back": str(TAKEN_BACK_STATUS)}
    data = [f"{name}={quote(value)}\n" for name, value in assignments.items()]
    data += [_function("files", files, "files"), _function("live", restoration.live, "live rules")]
    return "".join([_BANNER, *data, _BODY])


def _function(name: str, commands: Sequence[str], what: str) -> str:
    """A shell function whose commands note what has failed, and go on."""
    steps = (
        f'{{ {command}\n}} || fault="$fault {what}, step {number};"\n' for number, command in enumerate(commands, 1)
    )
    return f"\n{name}() {{\n  :\n{''.join(steps)}}}\n"
