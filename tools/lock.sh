#!/bin/sh
# Resolves pyproject.toml anew into both lock files, for every supported Python at once.
set -eu
.venv/bin/pip install --quiet uv
for kind in "" -dev; do
    group=$([ -n "$kind" ] && echo "--group dev" || true)
    # shellcheck disable=SC2086
    .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate $group pyproject.toml --output-file "requirements$kind.lock"
done
