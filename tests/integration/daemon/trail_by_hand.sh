#!/usr/bin/env bash
# Runs the commands of docs/audit.md, "The whole trail", on an export: it must verify, and must not
# any more once a byte of a leaf is changed. Runs in the source directory.
# usage: trail_by_hand.sh EXPORT VKEY
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n '/^### The whole trail/,/^## Limits/p' docs/audit.md |
  sed -n '/^```sh$/,/^```$/{/^```/d;p}' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 30 ] || { echo "docs/audit.md: commands not found"; exit 1; }

check() {  # directory → output of the documented commands
  printf '%s\n' "$vkey" >"$1/vkey"
  (cd "$1" && bash -c '. "$0"' "$work/commands" 2>&1) || true
}
vkey=$2

size=$(sed -n 2p "$1/checkpoint")
cp -r "$1" "$work/log"
out=$(check "$work/log")
grep -q "these are the $size leaves of the checkpoint" <<<"$out" || { echo "not the leaves: $out"; exit 1; }
grep -q 'Signature Verified Successfully' <<<"$out" || { echo "signature: $out"; exit 1; }

# The last byte of the first bundle is one of a leaf.
cp -r "$1" "$work/leaf"
bundle=$work/leaf/tile/entries/000
bytes=$(stat -c %s "$bundle")
last=$(tail -c 1 "$bundle" | basenc --base16)
printf '%b' "\\x$(printf %02x $((16#$last ^ 1)))" | dd of="$bundle" bs=1 seek=$((bytes - 1)) conv=notrunc status=none
out=$(check "$work/leaf")
! grep -q 'leaves of the checkpoint' <<<"$out" || { echo "an altered leaf was accepted"; exit 1; }
grep -q 'Signature Verified Successfully' <<<"$out" || { echo "altered leaf: $out"; exit 1; }
