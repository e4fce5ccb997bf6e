#!/usr/bin/env bash
# What `make demo` shows: a keystore, a key, a file sealed, looked at, opened and compared. Everything happens in a throw-away folder.
set -euo pipefail
envseal=$(realpath "$1")
samples=$(realpath "$(dirname "$0")/../testdata/samples")
dir=$(mktemp -d "${TMPDIR:-/tmp}/envseal-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME=$dir ENVSEAL_KEYSTORE=$dir/keystore
unset ENVSEAL_KEY_ID ENVSEAL_ENCRYPTION_CONTEXT ENVSEAL_PASSPHRASE_FILE ENVSEAL_IDENTITY_FILE
PATH=$(dirname "$envseal"):$PATH

show() { printf '\n$ %s\n' "$*"; "$@"; }

show envseal version
show envseal keystore init --no-passphrase
show envseal keystore create-key backup
cp "$samples"/seal.png "$samples"/orders.sqlite "$samples"/access.log "$samples"/empty .
show envseal encrypt -k local:backup -c app=web,env=prod seal.png
show ls -l seal.png seal.png.sealed
show envseal inspect seal.png.sealed
show envseal verify seal.png.sealed
mv seal.png seal.png.before
show envseal decrypt seal.png.sealed
show cmp seal.png seal.png.before
printf '\n$ %s\n' 'envseal encrypt -k local:backup < orders.sqlite | envseal decrypt -q | cmp - orders.sqlite'
envseal encrypt -k local:backup < orders.sqlite | envseal decrypt -q | cmp - orders.sqlite
show envseal encrypt -k local:backup orders.sqlite access.log empty
show envseal verify orders.sqlite.sealed access.log.sealed empty.sealed
printf '\n$ %s\n' 'envseal decrypt --require-context env=dev -o x seal.png.sealed     # refused: it was sealed with env=prod'
code=0
envseal decrypt --require-context env=dev -o x seal.png.sealed || code=$?
printf 'exit code %s\n' "$code"
[ "$code" = 9 ] && [ ! -e x ]
printf '\nAll of it worked: the files are back, byte for byte.\n'
