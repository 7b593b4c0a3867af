# How a step of the quickstart runs and is checked. Sourced by deploy/quickstart.

title() { printf '\n\n=== %s\n' "$*"; }
say() { printf '\n%s\n' "$*" | fold -s -w 100; }

fail() {
  printf '\nquickstart: %s\n' "$*" >&2
  exit 1
}

# leave CODE: the end, however it comes.
leave() {
  if $keep && [ "$1" = 0 ]; then return; fi
  if [ -n "$daemon" ] && kill -0 "$daemon" 2>/dev/null; then
    kill "$daemon"
    wait "$daemon" || true
  fi
  if [ "$1" != 0 ] && [ -n "$dir" ]; then
    printf '\nThe vault'"'"'s files are in %s, its log in %s/televaultd.log:\n' "$dir" "$dir" >&2
    tail -n 20 "$dir/televaultd.log" >&2 || true
  elif [ -n "$dir" ]; then
    rm -rf "$dir"
  fi
}

# quote WORD…: as it would be typed.
quote() {
  local word
  for word in "$@"; do
    word=${word//"$dir"/\$DIR}
    word=${word//"$root/"/}
    case $word in
      *[\ \'\"\(\)\*\<\>\;]*) printf " '%s'" "${word//\'/\'\\\'\'}" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
}

# step WANT PERSON WORD…: runs `televault WORD…` with the person's token ("-": none) and prints both;
# the exit code must be WANT. Its output stays in $out.
step() {
  local want=$1 person=$2
  shift 2
  steps=$((steps + 1))
  printf '\n[%s] $ televault%s\n' "$person" "$(quote "$@")"
  code=0
  out=$(call "$person" "$@" -o table 2>&1) || code=$?
  [ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/  /'
  [ "$code" = 0 ] || printf '  (exit %s)\n' "$code"
  [ "$code" = "$want" ] || fail "this step should have ended with exit code $want"
}

# call PERSON WORD…: the command alone.
call() {
  local person=$1 token=()
  shift
  [ "$person" = - ] || token=(--token-file "$dir/tokens/$person.token")
  XDG_STATE_HOME="$dir/state" "$bin/televault" --addr "unix:$dir/s" "${token[@]}" --yes "$@"
}

# shows TEXT: the last output has it.
shows() { grep -qF -- "$1" <<<"$out" || fail "the output should have shown: $1"; }
hides() { ! grep -qF -- "$1" <<<"$out" || fail "the output should not have shown: $1"; }
# fact NAME: a value of the last output's `name  value` lines.
fact() { awk -v name="$1" '$1 == name { print $2; exit }' <<<"$out"; }

# In the directory the tests build in, too, which keeps what they have set up: nothing is compiled
# twice.
configure() {
  local tests=OFF
  ! grep -qs '^TELEVAULT_BUILD_TESTS:BOOL=ON' build/release/CMakeCache.txt || tests=ON
  cmake --preset release -DTELEVAULT_BUILD_TESTS=$tests
}

build() {
  title "Build"
  if [ -n "$bin" ]; then
    say "Using the programs in $bin."
    return
  fi
  "$root/deploy/install-packages" "$root/deploy/packages.txt"
  local begin=$SECONDS
  mkdir -p "$root/build"
  say "Building a release of televault and televaultd (some minutes the first time) …"
  (cd "$root" && configure >build/quickstart.log 2>&1 &&
    cmake --build --preset release --target televault televaultd >>build/quickstart.log 2>&1) || {
    grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking|Generating)' "$root/build/quickstart.log" |
      tail -n 60
    fail "the build failed; all of its output is in build/quickstart.log"
  }
  bin=$root/build/release/bin
  say "Built in $((SECONDS - begin)) s."
}

make_vault() {
  title "A vault in a new directory"
  dir=$(mktemp -d /tmp/televault.XXXXXX)
  say "Two operators from the start: everything that gives power takes two persons."
  printf '\n$ televaultd init --data-dir $DIR/data --unseal keyfile --operators alice,bob …\n'
  mkdir -m 0700 "$dir/tokens"
  "$bin/televaultd" init --data-dir "$dir/data" --unseal keyfile --origin quickstart.example.org \
    --operators alice,bob --token-dir "$dir/tokens" | sed "s|$dir|\$DIR|g; s/^/  /"
  printf '\n$ televaultd serve --data-dir $DIR/data --listen unix:$DIR/s &\n'
  "$bin/televaultd" serve --data-dir "$dir/data" --listen "unix:$dir/s" \
    >"$dir/televaultd.out" 2>"$dir/televaultd.log" &
  daemon=$!
  local try
  for try in $(seq 300); do
    grep -q '^READY' "$dir/televaultd.out" && break
    kill -0 "$daemon" 2>/dev/null || fail "televaultd ended"
    [ "$try" -lt 300 ] || fail "televaultd did not become ready in 30 s"
    sleep 0.1
  done
  sed "s|$dir|\$DIR|g; s/^/  /" "$dir/televaultd.out"
  step 0 alice status
  vkey=$(awk '$1 == "log" && $2 == "key" { print $3 }' <<<"$out")
  [ -n "$vkey" ] || fail "the status names no log key"
}

# enrol NAME [--service]: proposed by one operator, confirmed by the other.
enrol() {
  step 6 alice person enrol "$@"
  step 0 bob person confirm "$1"
}

# give PERSON ROLE WORD…: a token; the guarded roles need the other operator.
give() {
  local person=$1 role=$2 want=0
  shift 2
  case $role in operator | steward | responder | investigator) want=6 ;; esac
  step "$want" alice token create --person "$person" --role "$role" "$@" \
    --token-out "$dir/tokens/$person.token"
  [ "$want" = 0 ] || step 0 bob token confirm "$(fact accessor)"
}
