#!/bin/sh
# sh docker/make-env.sh [FILE]: writes FILE (docker/.env unless given) from .env.example with a random value for each empty secret.
# Mode 0600. Never overwrites: the passwords in the file are those that the database volume was made with.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/.env}

if [ -e "$target" ]; then
  echo "$target is there already; remove it first if you want new secrets." >&2
  exit 1
fi

while IFS= read -r line; do
  case $line in
    '#'*) echo "$line" ;;
    *=) echo "$line$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')" ;;
    *) echo "$line" ;;
  esac
done <"$here/.env.example" >"$target.tmp"
mv "$target.tmp" "$target"
echo "$target is written."
