# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script that rolls a change back or commits it. It needs POSIX sh, coreutils and flock(1).

It stands in a folder of the change. A file in that folder is the state of the change: "pending" until it is confirmed,
"restoring" during the rollback, "confirmed" from the commit on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from shlex import quote
from typing import Literal, Sequence

from ..model.rollback_data import RollbackData
from . import ROLLED_BACK_STATUS

_BANNER = """\
#!/bin/sh
# Written by the Ansible collection xmpp.edge: rolls a change of its rules back, or commits it.
# Usage: change confirm | commit | restore | wait SECONDS MOST | boot
# With "commit" and "restore" the caller has the lock. The last two roll the change back unless it was confirmed: "wait"
# SECONDS after the change was made, and MOST seconds after it began.
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
locked=
fault=

# The last holder may have removed the file that was opened here.
acquire_lock() {
  while command exec 9>> "$lock" && timeout 60 flock 9; do
    # shellcheck disable=SC3013 # Every sh of a Linux host knows -ef, and POSIX has it since 2024.
    if [ /proc/self/fd/9 -ef "$lock" ]; then
      locked=yes
      return
    fi
  done
  echo 'xmpp-edge: the lock cannot be acquired; going on without it' >&2
}

release_lock() {
  [ -z "$locked" ] || rm -f "$lock"
}

systemd() {
  [ ! -d /run/systemd/system ] || timeout 60 systemctl "$@"
}

finish() { # exit status
  [ "$how" = wait ] || systemd stop "xmpp-edge-rollback-$token.service" 2> /dev/null
  if [ -n "$recovery" ] && [ -e "$recovery" ]; then
    rm -f "$recovery" "${recovery%/*}/sysinit.target.wants/${recovery##*/}"
    # systemd knows the unit only where something has made it read all units since.
    [ "$(systemd show --property=LoadState --value "${recovery##*/}")" = not-found ] || systemd daemon-reload
  fi
  rm -rf "$folder"
  rmdir --ignore-fail-on-non-empty "$home"
  release_lock
  exit "$1"
}

is_made() {
  [ -e "$folder/made" ] && rm -f "$folder/made"
}

wait_for_confirmation() { # seconds
  left=$1
  while [ "$left" -gt 0 ] && [ -e "$folder/pending" ]; do
    sleep 1
    left=$((left - 1))
    if is_made; then
      left=$seconds
    fi
  done
}

case "$how" in
confirm | commit)
  [ "$how" = commit ] || acquire_lock
  if [ ! -e "$folder/pending" ]; then
    release_lock
    exit "$rolled_back_status"
  fi
  mv "$folder/pending" "$folder/confirmed" || exit 1
  # shellcheck source=/dev/null
  [ ! -e "$folder/cut" ] || . "$folder/cut"
  finish 0
  ;;
wait)
  seconds=$2
  : > "$folder/armed"
  wait_for_confirmation "$3"
  ;;
esac

[ "$how" = restore ] || acquire_lock
# The run may have ended its change while this waited for the lock.
while [ "$how" = wait ] && is_made; do
  release_lock
  exec 9>&-
  locked=
  wait_for_confirmation "$seconds"
  acquire_lock
done
if ! cd "$folder" 2> /dev/null || [ -e confirmed ]; then
  release_lock
  exit 0
fi
[ ! -e pending ] || mv pending restoring

make_folder_of() { # path
  [ -d "${1%/*}" ] || (umask 022 && mkdir -p "${1%/*}")
}

restore_file() { # path, mode, owner, saved copy
  new=${1%/*}/.xmpp-edge-$token
  make_folder_of "$1"
  rm -f "$new" && cp "$4" "$new" && chown "$3" "$new" && chmod "$2" "$new" && sync "$new" && mv -fT "$new" "$1"
}

# Where others wrote to the file after the change, only the managed part is restored.
restore_shared_file() { # path, mode, owner, saved copy, copy of the file after the change, command that merges
  if cmp -s "$1" "$4"; then
    return 0
  fi
  if cmp -s "$1" "$5"; then
    restore_file "$1" "$2" "$3" "$4"
  else
    eval "$6" < "$1" > merged && restore_file "$1" "$2" "$3" merged
  fi
}

restore_link() { # path, target
  new=${1%/*}/.xmpp-edge-$token
  make_folder_of "$1"
  rm -f "$new" && ln -s "$2" "$new" && mv -fT "$new" "$1"
}

# A program that is told something writes files in its own form: they stay as they were.
# shellcheck disable=SC2317 # It is called by what some hosts have among their live rules.
keep_files() { # command, paths
  told=$1
  shift
  for path do
    rm -f "kept-${path##*/}"
    [ ! -e "$path" ] || cp -p "$path" "kept-${path##*/}" || return 1
  done
  eval "$told" > answers
  status=$?
  for path do
    saved=kept-${path##*/}
    real=$(readlink -f "$path")
    new=${real%/*}/.xmpp-edge-$token
    if [ ! -e "$saved" ]; then
      rm -f "$path"
    elif ! cmp -s "$saved" "$path"; then
      rm -f "$new" && cp -p "$saved" "$new" && sync "$new" && mv -fT "$new" "$real" || status=1
    fi
  done
  return "$status"
}

remove_empty_folder() { # path
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
  # A start or stop of the unit loads or unloads rules.
  live
}

# A step may fail for a moment only, while a daemon restarts or a disk is full.
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
  } > "$home/.rolled-back-$token" && mv -f "$home/.rolled-back-$token" "$home/rolled-back"
  ;;
esac
if [ -n "$fault" ]; then
  echo "xmpp-edge: not everything could be rolled back:$fault" >&2
  # The next boot or the next run tries again.
  [ "$how" = restore ] || {
    release_lock
    exit 1
  }
  finish 1
fi
finish 0
"""

_UnitState = Literal["active", "inactive", ""]


@dataclass(frozen=True)
class Places:
    """Places on the host that belong to a change.

    home: folder in which its folder stands; token: the unique part of its name; lock: file of the host's lock;
    recovery: file of the unit that rolls it back at the next boot, empty where there is none.
    """

    home: str
    token: str
    lock: str
    recovery: str


def change_script(places: Places, rollback: RollbackData, files: Sequence[str]) -> str:
    """Return the script. files: the commands of saved_files."""
    assignments = {**asdict(places), "unit": _unit_state(rollback), "rolled_back_status": str(ROLLED_BACK_STATUS)}
    data = [f"{name}={quote(value)}\n" for name, value in assignments.items()]
    data += [_function("files", files, "files"), _function("live", rollback.live, "live rules")]
    return "".join([_BANNER, *data, _BODY])


def _unit_state(rollback: RollbackData) -> _UnitState:
    """Return the state to which the managed unit is restored, empty where systemd has to do nothing."""
    if not rollback.units:
        return ""
    return "active" if rollback.active else "inactive"


def _function(name: Literal["files", "live"], commands: Sequence[str], subject: str) -> str:
    """Return a shell function that runs all commands, and notes each that failed."""
    steps = (
        f'{{ {command}\n}} || fault="$fault {subject}, step {number};"\n' for number, command in enumerate(commands, 1)
    )
    return f"\n{name}() {{\n  :\n{''.join(steps)}}}\n"
