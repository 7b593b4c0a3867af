# The quickstart's people, manifests and real input. Sourced by deploy/quickstart.

now=$(date -u +%s)
stream_rows=200000

enrol_people() {
  title "People and tokens"
  say "alice proposes, bob confirms. The later steps leave out what is the same for everybody."
  enrol ana
  give ana analyst --purpose usage --purpose maintenance
  local who
  {
    for who in ines stella stefan audrey rita rolf rosa; do enrol "$who"; done
    enrol agent --service
    give ines investigator --purpose reliability --purpose security
    give stella steward
    give stefan steward
    give audrey auditor
    give rita responder
    give rolf responder
    give rosa responder
    give agent collector --dataset cli_usage --dataset package_events
  } >"$dir/enrolment.txt" || {
    tail -n 20 "$dir/enrolment.txt"
    fail "enrolment failed"
  }
  step 0 alice person list
  step 0 alice token list
}

apply_manifests() {
  title "Manifests: what is collected, why, who may see it, when it goes"
  step 0 - dataset lint "$root/deploy/samples/cli_usage.yaml"
  step 0 stella dataset apply "$root/deploy/samples/cli_usage.yaml"
  step 0 stella dataset apply "$root/deploy/samples/package_events.yaml"
  step 0 ana dataset list
}

# The recorded requests of gatsby-telemetry, one document a line, moved so that the newest event is
# $1 seconds old: the manifest takes nothing older than a week.
gatsby_input() {
  jq -c --argjson now "$((now - $1))" '
    def seconds: (.[0:19] + "Z") | fromdateiso8601;
    ([.[].body[].time | seconds] | max) as $newest
    | .[].body | map(.time |= ((seconds - $newest + $now) | todateiso8601))
  ' "$root/tests/golden/wire/gatsby-telemetry-4.13.1.json"
}

# The OTLP/JSON log exports of the OpenTelemetry SDK, one request a line, moved likewise.
otlp_input() {
  jq -r '.[] | select(.url == "/v1/logs" and .headers["content-type"] == "application/json"
                      and (.headers["content-encoding"] // "") == "") | .body_b64 | @base64d' \
    "$root/tests/golden/wire/otel-js-0.223.1.json" |
    jq -c --argjson now "$((now - $1))" '
      def nanos: .timeUnixNano | tostring | .[0:-9] | tonumber;
      ([.. | objects | select(has("timeUnixNano")) | nanos] | max) as $newest
      | walk(if type == "object" and has("timeUnixNano")
             then .timeUnixNano = (((nanos - $newest + $now) | tostring) + "000000000") else . end)'
}

# The OTLP/protobuf export as it was sent, times moved likewise.
otlp_protobuf_input() {
  local type=opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest
  local proto=opentelemetry/proto/collector/logs/v1/logs_service.proto
  jq -r '[.[] | select(.url == "/v1/logs" and .headers["content-type"] == "application/x-protobuf"
                       and (.headers["content-encoding"] // "") == "")][0].body_b64' \
    "$root/tests/golden/wire/otel-js-0.223.1.json" | base64 -d |
    (cd "$root/proto" && protoc -I . --decode="$type" "$proto") |
    awk -v now="$((now - $1))" '/time_unix_nano:/ { sub(/[0-9]+$/, now "000000000") } { print }' |
    (cd "$root/proto" && protoc -I . --encode="$type" "$proto")
}

# What the machine's package manager did in the last 300 days, as NDJSON. A machine without such a
# log (a fresh image) tells which packages are configured now.
dpkg_input() {
  local since zone
  since=$(date -u -d '300 days ago' +%F)
  zone=$(date +%:z)
  if [ -s /var/log/dpkg.log ]; then
    awk -v since="$since" -v zone="$zone" '
      $1 < since { next }
      {
        pkg = $3 == "startup" || $3 == "conffile" ? "" : $3 == "status" ? $5 : $4
        version = $3 == "status" ? $6 : $3 == "configure" || $3 == "remove" || $3 == "trigproc" ? $5 : $6
        split(pkg, part, ":")
        printf "{\"event_time\":\"%sT%s%s\",\"action\":\"%s\"", $1, $2, zone, $3
        if (part[1] != "") printf ",\"package\":\"%s\"", part[1]
        if (version != "" && version != "<none>") printf ",\"version\":\"%s\"", version
        if (part[2] != "") printf ",\"arch\":\"%s\"", part[2]
        print "}"
      }' /var/log/dpkg.log
  fi >"$dir/dpkg.ndjson"
  [ "$(wc -l <"$dir/dpkg.ndjson")" -ge 100 ] ||
    dpkg-query -W -f '{"event_time":"'"$(date -u +%FT%TZ)"'","action":"configure",'`
      `'"package":"${Package}","version":"${Version}","arch":"${Architecture}"}\n' \
      >"$dir/dpkg.ndjson"
}

ingest_real_input() {
  title "Real input"
  say "Two of these recordings are moved to the day before yesterday and to now, because the manifest" \
    "takes nothing older than a week."
  gatsby_input 172800 >"$dir/gatsby.jsonl"
  otlp_input 300 >"$dir/otlp.json"
  otlp_protobuf_input 300 >"$dir/otlp.pb"
  dpkg_input
  say "gatsby-telemetry posts JSON of its own; a mapping file says what becomes of it:"
  step 0 agent ingest --source "$root/deploy/samples/sources/gatsby.yaml" --from gatsby \
    "$dir/gatsby.jsonl"
  local manifest=$root/deploy/samples/cli_usage.yaml
  local packages=$root/deploy/samples/package_events.yaml
  say "OpenTelemetry log exports, as JSON and as protobuf:"
  step 0 agent ingest --dataset cli_usage --manifest "$manifest" --from otel --format otlp-json \
    "$dir/otlp.json"
  step 0 agent ingest --dataset cli_usage --manifest "$manifest" --from otel --format otlp-pb \
    "$dir/otlp.pb"
  say "The package-manager log of this machine; one line is broken on purpose and one names a field" \
    "that the manifest does not declare:"
  { echo '{"event_time":'; echo '{"event_time":"'"$(date -u +%FT%TZ)"'","action":"install","ip":"x"}'; } \
    >>"$dir/dpkg.ndjson"
  step 7 agent ingest --dataset package_events --manifest "$packages" \
    --rejects "$dir/rejects.jsonl" "$dir/dpkg.ndjson"
  sed 's/^/  /' "$dir/rejects.jsonl"
  [ "$(wc -l <"$dir/rejects.jsonl")" = 2 ] || fail "two records should have been refused"
  say "The same file again stores nothing twice:"
  local read_before
  read_before=$(fact accepted)
  step 7 agent ingest --dataset package_events --manifest "$packages" \
    --rejects "$dir/rejects.jsonl" "$dir/dpkg.ndjson"
  [ "$(fact duplicate_batches)" = "$(fact batches)" ] || fail "every batch should be a duplicate"
  head -n -2 "$dir/dpkg.ndjson" >"$dir/fleet.ndjson"
  fleet=$((stream_rows / read_before + 1))
  say "As a fleet of $fleet machines with the same log:"
  local machine
  for machine in $(seq "$fleet"); do
    call agent ingest --dataset package_events --manifest "$packages" --run "machine-$machine" \
      "$dir/fleet.ndjson" --quiet -o jsonl >>"$dir/fleet.txt" 2>&1 || { cat "$dir/fleet.txt"; fail "ingest failed"; }
  done
  jq -s '"  \(map(.accepted) | add) events in \(length) runs, \(
    (map(.accepted) | add) / (map(.seconds) | add) | floor) events/s"' -r "$dir/fleet.txt"
  step 0 stella ingest rejects
}
