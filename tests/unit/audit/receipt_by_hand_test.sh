#!/usr/bin/env bash
# Runs the commands of docs/audit.md, "A receipt", on the golden receipts: both
# must verify, and neither may once a byte of the leaf is changed. Runs in the source directory.
set -euo pipefail
for tool in basenc openssl sha256sum base64; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
source_dir=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n '/^### A receipt/,/^### The whole trail/p' docs/audit.md |
  sed -n '/^```sh$/,/^```$/{/^```/d;p}' > "$work/commands"
[ "$(wc -l < "$work/commands")" -ge 20 ] || { echo "docs/audit.md: commands not found"; exit 1; }

check() {  # leaf file, receipt file → output of the documented commands
  cp "$1" "$work/leaf.bin"
  cp "$2" "$work/receipt.tlog-proof"
  cp "$source_dir/tests/golden/audit/receipt/vkey" "$work/vkey"
  (cd "$work" && bash -c '. ./commands' 2>&1) || true
}

failed=0
for index in 6 10; do
  leaf=tests/golden/audit/receipt/$index.leaf
  receipt=tests/golden/audit/receipt/$index.tlog-proof
  out=$(check $leaf $receipt)
  grep -q 'the leaf is in the tree' <<< "$out" || { echo "$index: not in the tree: $out"; failed=1; }
  grep -q 'Signature Verified Successfully' <<< "$out" || { echo "$index: signature: $out"; failed=1; }

  sed 's/sealed/Sealed/' $leaf > "$work/altered"
  out=$(check "$work/altered" $receipt)
  if grep -q 'the leaf is in the tree' <<< "$out"; then echo "$index: altered leaf accepted"; failed=1; fi

  # The path up the tree is the same from there.
  sed "s/^index .*/index $((index + 16))/" $receipt > "$work/altered"
  out=$(check $leaf "$work/altered")
  if grep -q 'the leaf is in the tree' <<< "$out"; then echo "$index: altered index accepted"; failed=1; fi

  sed 's/^11$/12/' $receipt > "$work/altered"
  out=$(check $leaf "$work/altered")
  if grep -q 'Verified Successfully' <<< "$out"; then echo "$index: altered head accepted"; failed=1; fi
done
exit $failed
