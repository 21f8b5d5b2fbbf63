#!/usr/bin/env bash
# Makes a virtual environment and installs Pitstop into it, every version pinned.
# usage: deploy/install.sh VENV REQUIREMENT
set -euo pipefail
venv=$1 requirement=$2

say() { printf '%s\n' "$*" >&2; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  say "Pitstop needs Python 3.11 or newer. Install it, or name it: make demo PYTHON=/path/to/python3.11"
  exit 1
}

make_venv() {
  local python=$1
  "$python" -m venv "$venv" 2>/dev/null && return
  rm -rf "$venv"
  "$python" -m virtualenv -q "$venv" 2>/dev/null && return
  rm -rf "$venv"
  # Debian splits ensurepip off into a package of its own.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "Installing python3-venv ..."
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv "$venv" && return
  fi
  say "This Python can't make virtual environments. Run: sudo apt-get install python3-venv"
  exit 1
}

# A file of its own, since make reads the stamps only after the install succeeded.
if [ ! -x "$venv/bin/pip" ]; then
  python=$(find_python)
  say "Making $venv with $("$python" --version) ..."
  make_venv "$python"
fi
say "Installing $requirement, versions pinned in constraints.txt (a few minutes the first time) ..."
pip=("$venv/bin/pip" --disable-pip-version-check)
# torch first and by itself: which build it is decides what everything else pulls in.
"${pip[@]}" install -q -c constraints.txt torch==2.13.0 2> >(grep -v '^WARNING: Location' >&2)
"${pip[@]}" install -q -c constraints.txt -e "$requirement" 2> >(grep -v '^WARNING: Location' >&2)
