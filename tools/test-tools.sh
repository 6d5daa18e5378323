#!/bin/sh
# What the tests need besides Python: Chromium, Firefox ESR, PostgreSQL, Redis, ffprobe, coturn, Node.js, OpenSSL, a Chinese font. Installs them through apt when it may.
set -eu
missing=
[ -x /usr/bin/chromium ] || missing="$missing chromium"
[ -x /usr/bin/firefox-esr ] || missing="$missing firefox-esr"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$missing postgresql"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v ffprobe >/dev/null || missing="$missing ffmpeg"
command -v turnserver >/dev/null || missing="$missing coturn"
command -v janus >/dev/null || missing="$missing janus"
command -v npm >/dev/null || missing="$missing nodejs npm"
command -v openssl >/dev/null || missing="$missing openssl"
[ -n "$(ls /usr/share/fonts/opentype/noto/NotoSansCJK* 2>/dev/null)" ] || missing="$missing fonts-noto-cjk"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests:$missing ..."
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need:$missing" >&2
    echo "Install them, on Debian: apt-get install$missing" >&2
    exit 1
fi
