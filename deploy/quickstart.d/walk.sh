# The main jobs, one after the other. Sourced by deploy/quickstart.

query_as_analyst() {
  title "The analyst asks"
  step 0 ana query --purpose maintenance \
    "SELECT action, count(*) AS events FROM package_events GROUP BY action ORDER BY events DESC" \
    --receipt "$dir/receipt.tlog-proof"
  shows "status"
  shows "Receipt verified"
  step 0 ana query --purpose maintenance --chart bar \
    "SELECT action, count(*) AS events FROM package_events GROUP BY action ORDER BY events DESC"
  say "A handful of installs stands behind these: every group is withheld, and so cannot be told from" \
    "none."
  step 0 ana query --purpose usage "SELECT command, count(*) AS runs FROM cli_usage GROUP BY command"
  hides "develop"
  say "A purpose that neither token nor manifest allows is refused:"
  step 4 ana query --purpose marketing "SELECT count(*) FROM package_events"
  say "And so are rows:"
  step 4 ana query --purpose usage "SELECT command, os FROM cli_usage"
}

# ask_for_rows DATASET PURPOSE FILE REASON: a request by ines that two stewards approve; $request.
ask_for_rows() {
  step 6 ines access request --dataset "$1" --purpose "$2" --query "$3" --for 1h --reason "$4"
  request=$(fact id)
  step 6 stella access approve "$request"
  say "One approval is not enough; the second voice makes it live."
  step 0 stefan access approve "$request"
}

query_rows_on_request() {
  title "Rows: approved by two others, for this very query"
  echo "SELECT event_time, command, duration_ms, exit_code, version, os FROM cli_usage
WHERE command = 'build' ORDER BY event_time" >"$dir/rows.sql"
  step 4 ines query --purpose reliability -f "$dir/rows.sql"
  ask_for_rows cli_usage reliability "$dir/rows.sql" "builds end with exit code 1 since this morning"
  step 0 ines query --purpose reliability -f "$dir/rows.sql" --grant "$request"
  shows "build"
  printf '%s\n' "$out" >"$dir/first-rows.txt"
  say "The manifest masks the version for this role, and another query is not what was approved:"
  hides "4.13.1"
  step 4 ines query --purpose reliability --grant "$request" "SELECT os FROM cli_usage"
}

audit_and_verify() {
  title "The auditor"
  step 0 audrey audit list --limit 12
  step 0 audrey audit list --verdict deny
  shows "Query"
  step 0 audrey audit tail -n 3
  step 0 audrey audit verify
  step 0 audrey audit export "$dir/log"
  say "Offline: no vault, no token, no secret. The log's key alone."
  step 0 - audit verify --dir "$dir/log" --key "$vkey"
  say "One flipped byte in a copy of it:"
  cp -r "$dir/log" "$dir/forged"
  local bundle
  bundle=$(find "$dir/forged/tile/entries" -type f | sort | head -n 1)
  printf '\x00\x01' | dd of="$bundle" bs=1 seek=40 conv=notrunc status=none
  printf '\x02\x03' | dd of="$bundle" bs=1 seek=42 conv=notrunc status=none
  step 3 - audit verify --dir "$dir/forged" --key "$vkey"
}

expire_a_day() {
  title "A day expires"
  local day
  day=$(date -u -d "@$((now - 172800))" +%F)
  grep -q "$day" "$dir/first-rows.txt" || fail "the approved query should have shown $day"
  step 0 stella retention status --dataset cli_usage
  shows "$day"
  say "A new revision keeps data for one day instead of ninety: shorter takes effect at once."
  sed -e 's/^revision: 1$/revision: 2/' -e 's/^  ttl: 90d$/  ttl: 1d/' \
    "$root/deploy/samples/cli_usage.yaml" >"$dir/cli_usage.yaml"
  step 0 stella dataset apply "$dir/cli_usage.yaml"
  step 0 stella retention run
  step 0 stella retention status --dataset cli_usage
  step 0 stella retention receipts --verify
  shows "$day"
  shows "receipts verified"
  say "What was approved under the old revision does not run under the new one; approved anew, the" \
    "same query finds that day's rows no more."
  step 4 ines query --purpose reliability -f "$dir/rows.sql" --grant "$request"
  ask_for_rows cli_usage reliability "$dir/rows.sql" "the same builds, after the new revision"
  step 0 ines query --purpose reliability -f "$dir/rows.sql" --grant "$request"
  shows "build"
  hides "$day"
}

lock_down_and_lift() {
  title "Lockdown"
  echo "SELECT event_time, action, package, version FROM package_events" >"$dir/all.sql"
  ask_for_rows package_events security "$dir/all.sql" "which machines lack the update"
  say "ines streams $stream_rows rows; while they run, rita sees something she does not like."
  mkfifo "$dir/rows"
  call ines query --purpose security -f "$dir/all.sql" --grant "$request" -o jsonl \
    >"$dir/rows" 2>"$dir/stream.err" &
  local stream=$! first
  exec 3<"$dir/rows"
  read -r first <&3 || { cat "$dir/stream.err"; fail "the stream gave no row"; }
  printf '\n[ines] first row: %s\n' "$first"
  step 0 rita lockdown engage --level reads --reason "unusual export of package data"
  shows "1 running streams cut"
  lockdown=$(sed -n 's/.*, id \([^ ]*\)$/\1/p' <<<"$out")
  local got status=0
  got=$(($(wc -l <&3) + 1))
  exec 3<&-
  wait "$stream" || status=$?
  printf '\n[ines] the stream ended after %s rows with exit %s:\n' "$got" "$status"
  sed 's/^/  /' "$dir/stream.err"
  [ "$status" = 5 ] || fail "the cut stream should have ended with exit code 5"
  [ "$got" -lt "$stream_rows" ] || fail "every row arrived: the stream was not cut"
  say "Nobody reads now; ingest and audit go on:"
  step 5 ana query --purpose maintenance "SELECT count(*) FROM package_events"
  step 5 rita lockdown status
  step 0 agent ingest --dataset cli_usage --manifest "$root/deploy/samples/cli_usage.yaml" \
    --from otel --format otlp-json --run during-lockdown "$dir/otlp.json"
  title "Nobody lifts alone"
  step 6 rita lockdown lift "$lockdown" --reason "false alarm, I think"
  say "Whoever engaged it has no vote:"
  step 4 rita lockdown approve "$lockdown"
  step 6 rolf lockdown approve "$lockdown"
  step 5 ana query --purpose maintenance "SELECT count(*) FROM package_events"
  step 0 rosa lockdown approve "$lockdown"
  step 0 ana query --purpose maintenance "SELECT count(*) AS events FROM package_events"
  step 0 audrey audit verify
}

how_to_go_on() {
  title "All $steps steps did what they say"
  if ! $keep; then
    say "Run it again with --keep to leave the vault running, and look around yourself. The commands" \
      "are in docs/cli.md; what a manifest says, in docs/formats/manifest-v1.md."
    return
  fi
  say "The vault goes on running (pid $daemon). To use it:"
  cat <<END

  export TELEVAULT_ADDR=unix:$dir/s TELEVAULT_TOKEN_FILE=$dir/tokens/ana.token
  $bin/televault query --purpose maintenance "SELECT count(*) FROM package_events"
  $bin/televault --help

Tokens of everybody: $dir/tokens. To end it: kill $daemon && rm -r $dir
END
}
