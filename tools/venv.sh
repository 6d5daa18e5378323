#!/bin/sh
# Makes .venv with exactly what the given lock file names, and the `tellercast` command.
set -eu
lock=$1

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Tellercast needs Python 3.11 or newer; none is on the PATH." >&2
    exit 1
fi

if [ ! -x .venv/bin/pip ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
        else
            echo "This Python can't make virtual environments; on Debian: apt-get install python3-venv" >&2
            exit 1
        fi
    fi
    echo "Making .venv with $("$python" --version) ..."
    "$python" -m venv .venv
fi
echo "Installing what $lock names (the first time takes a minute) ..."
.venv/bin/pip install --quiet --require-hashes -r "$lock"
.venv/bin/pip install --quiet --no-deps --editable .
echo "Compiling the loop that sends to many (the first time takes some seconds) ..."
.venv/bin/python -c "from stream import roster; roster.warm_up()"
