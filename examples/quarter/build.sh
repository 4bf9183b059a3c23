#!/bin/sh
# A quarter of a small shop: twelve weekly runs into a store, and the auditor's package of them.
# Usage: sh examples/quarter/build.sh [NEW FOLDER]   (default ./quarter; KUBEPROOF names the program, else cargo runs it)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kubeproof=${KUBEPROOF:-cargo run --quiet --manifest-path "$here/../../Cargo.toml" --}
out=${1:-quarter}
if [ -e "$out" ]; then echo "$out exists: name a new folder" >&2; exit 2; fi
mkdir -p "$out"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/config" "$here/recording" "$work"
$kubeproof keys generate --out "$out/keys"

week() { # what the job did each Monday at 06:00, with the inputs of that day
  day=$1; shift
  echo "week of $day" >&2
  $kubeproof run --config "$work/config/kubeproof.yaml" --checks "$work/config/checks" \
    --frameworks "$work/config/frameworks" --from "$work/recording" --store "$out/evidence" --keys "$out/keys" "$@" \
    >"$out/$day.txt" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
}

week 2026-07-06
for change in "$here"/weeks/*; do
  if [ -d "$change/config" ]; then cp -R "$change/config" "$work"; fi
  (cd "$work" && git apply "$change/recording.patch")
  day=$(basename "$change")
  if [ -d "$change/inputs" ]; then week "$day" --inputs "$change/inputs"; else week "$day"; fi
done

$kubeproof period --from 2026-07-01 --to 2026-09-30 --schedule "0 6 * * 1" \
  --store "$out/evidence" --keys "$out/keys" --out "$out/package"
echo "prove it   $kubeproof verify $out/package --key $out/keys/signing.pub"
