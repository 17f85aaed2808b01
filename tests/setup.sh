#!/bin/sh
# Installs what the tests need beyond Python packages. From Debian: a second Redis, an IMAP server, a browser, a proxy. From
# npm, if it is installed: React, to test the hook of docs/stream.md, and TypeScript, to check the client's types.
# Installs only what is missing. Where it has no right to install, it says what to do.
set -eu

react=$(dirname "$0")/react
if command -v npm >/dev/null && ! [ "$react/node_modules/.package-lock.json" -nt "$react/package-lock.json" ]; then
    npm ci --prefix "$react" --ignore-scripts --no-audit --no-fund --silent || {
        echo "Installing React and TypeScript failed: run 'npm ci --prefix $react' to see why." >&2
        exit 1
    }
fi

missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
[ -x /usr/sbin/dovecot ] || missing="$missing dovecot-imapd"
[ -x /usr/bin/chromium ] || missing="$missing chromium"
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v openssl >/dev/null || missing="$missing openssl"
command -v curl >/dev/null || missing="$missing curl"
command -v node >/dev/null || missing="$missing nodejs"
for package in "$@"; do # more packages, for example of make bench
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "The tests need$missing; this system has no apt-get: install them and run 'make test' again." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "The tests need$missing: run 'sudo apt-get install --no-install-recommends$missing' and 'make test' again." >&2
    exit 1
fi
echo "Installing$missing ..."
log=$(mktemp)
# A mirror that fails once, and another apt-get that still runs, are waited for.
patience="-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300"
# The services must not start: the tests start their own, on their own ports.
if ! { apt-get update -q $patience && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -q -y $patience --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "Installing$missing failed; the last lines of apt-get are above." >&2
    exit 1
fi
rm -f "$log"
