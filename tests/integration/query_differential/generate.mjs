// Random queries in two dialects: ours and DuckDB's. Both texts of an expression are built side by
// side; where DuckDB spells or types a thing differently, only its text differs (docs/sql.md lists
// where). Intervals are BIGINT microseconds there.

const KINDS = ["int", "dbl", "text", "bool", "ts", "itv"];
const COLUMNS = {
  int: ["count_of"],
  dbl: ["seconds"],
  text: ["command", "version", "subject"],
  bool: ["ok"],
  ts: ["event_time", "seen_at"],
  itv: ["took"],
};
const COMPARISONS = ["=", "<>", "<", "<=", ">", ">="];

// Everything docs/sql.md offers, by the names under which uses are counted.
export const FEATURES = [
  ...["int", "dbl"].flatMap((kind) => ["+", "-", "*", "/", "%"].map((op) => `${kind} ${op}`)),
  ...COMPARISONS,
  ...KINDS.map((kind) => `compare ${kind}`),
  ..."unary -;int and dbl;quoted literal;interval;and;or;not;in;not in;in with null;between;not between".split(";"),
  ..."like;ilike;is null;is true;is false;is unknown;is distinct from;case;coalesce;nullif".split(";"),
  ..."itv ±;ts - ts;itv * int;itv * dbl;itv /;ts + itv;ts - itv;ts ± months".split(";"),
  ..."cast int→dbl;cast int→text;cast int→bool;cast dbl→int;cast dbl→text→dbl;cast bool→int;cast bool→text".split(";"),
  ..."cast text→int;cast text→bool;cast text→ts;cast ts→text;cast to date".split(";"),
  ..."date_trunc;date_bin;now;current_date;lower;upper;length;abs int;abs dbl".split(";"),
  ..."round;round(x, n);floor;ceil;width_bucket".split(";"),
  ..."count(*);count(x);count(distinct);count(distinct subject);sum int;sum dbl;sum itv;avg;avg itv".split(";"),
  ..."min;max;stddev;percentile_cont;percentile_cont desc;percentile_cont itv".split(";"),
  ..."percentile_disc;percentile_disc desc;filter;select distinct;where;group by;group by name;having".split(";"),
  ..."order by;order by name;order by aggregate;nulls first/last;limit;offset".split(";"),
  ..."bounds on time;bounds on truncated time;bounds on a field;one subject".split(";"),
];

// Applies `make` to our and to DuckDB's texts.
const pair = (make) => [make(0), make(1)];

export class Generator {
  // `subjects`: pseudonyms that are in the table.
  constructor(seed, subjects) {
    this.subjects = subjects;
    this.state = BigInt(seed) * 2654435761n + 88172645463325252n;
    this.used = new Set();
  }
  next() {
    let x = this.state & ((1n << 64n) - 1n);
    x ^= (x << 13n) & ((1n << 64n) - 1n);
    x ^= x >> 7n;
    x ^= (x << 17n) & ((1n << 64n) - 1n);
    this.state = x;
    return x;
  }
  below(n) {
    return Number(this.next() % BigInt(n));
  }
  some(percent) {
    return this.below(100) < percent;
  }
  pick(list) {
    return list[this.below(list.length)];
  }
  use(...names) {
    for (const name of names) {
      if (!FEATURES.includes(name)) throw new Error(`not in FEATURES: ${name}`);
      this.used.add(name);
    }
  }

  // [our text, DuckDB's text]
  both(text) {
    return [text, text];
  }
  literal(kind) {
    switch (kind) {
      case "int": {
        const n = this.below(25) - 12;
        return [`(${n})`, `(${n})::BIGINT`];
      }
      case "dbl": {
        const n = `${this.below(400) - 100}.${this.below(9) + 1}`;
        return [`(${n})`, `(${n})::DOUBLE`];
      }
      case "text":
        return this.both(this.pick(["'build'", "'clean'", "'5.10.3'", "'4.1.2'", "''", "'info'", "'a_b'"]));
      case "bool":
        return this.both(this.pick(["true", "false"]));
      case "ts":
        return this.both(`timestamp ${this.time()}`);
      default: {
        const minutes = this.below(90);
        const seconds = this.below(60);
        this.use("interval");
        return [`interval '${minutes} minutes ${seconds} seconds'`, `${(minutes * 60 + seconds) * 1000000}::BIGINT`];
      }
    }
  }
  time() {
    const day = `${6 + this.below(6)}`.padStart(2, "0");
    return `'2026-11-${day} ${this.pick(["00:00:00", "12:30:00", "23:59:59.999999"])}'`;
  }
  // A quoted literal that takes its type from what it is compared with.
  quoted(kind) {
    this.use("quoted literal");
    switch (kind) {
      case "ts": {
        const time = this.time();
        return [time, `timestamp ${time}`];
      }
      case "itv": {
        const minutes = this.below(90);
        return [`'${minutes} minutes'`, `${minutes * 60000000}::BIGINT`];
      }
      case "bool":
        return ["'yes'", "true"];
      case "text":
        return this.literal("text");
      default: {
        const n = this.below(25) - 12;
        return [`'${n}'`, kind === "int" ? `(${n})::BIGINT` : `(${n})::DOUBLE`];
      }
    }
  }
  column(kind) {
    return this.both(this.pick(COLUMNS[kind]));
  }

  expr(kind, depth) {
    if (depth <= 0) return this.some(80) ? this.column(kind) : this.literal(kind);
    if (this.some(12)) return this.conditional(kind, depth - 1);
    return this[kind](depth - 1);
  }
  conditional(kind, depth) {
    const a = this.expr(kind, depth);
    const b = this.expr(kind, depth - 1);
    switch (this.below(4)) {
      case 0:
        this.use("coalesce");
        return pair((s) => `coalesce(${a[s]}, ${b[s]})`);
      case 1: {
        this.use("nullif");
        const c = this.literal(kind);
        return pair((s) => `nullif(${a[s]}, ${c[s]})`);
      }
      case 2: {
        this.use("case");
        const when = this.expr("bool", depth);
        return pair((s) => `(case when ${when[s]} then ${a[s]} else ${b[s]} end)`);
      }
      default: {
        this.use("case");
        const when = this.expr("text", 0);
        const is = this.literal("text");
        return pair((s) => `(case ${when[s]} when ${is[s]} then ${a[s]} end)`);
      }
    }
  }
  int(depth) {
    const a = this.expr("int", depth);
    const n = this.below(11) + 2;
    switch (this.below(12)) {
      case 0: {
        const b = this.expr("int", 0);
        this.use("int +");
        return pair((s) => `(${a[s]} + ${b[s]})`);
      }
      case 1: {
        const b = this.expr("int", 0);
        this.use("int -");
        return pair((s) => `(${a[s]} - ${b[s]})`);
      }
      case 2:
        this.use("int *");
        return [`(${a[0]} * ${n})`, `(${a[1]} * ${n}::BIGINT)`];
      case 3:
        this.use("int /");
        return [`(${a[0]} / ${n})`, `(${a[1]} // ${n}::BIGINT)`];
      case 4:
        this.use("int %");
        return [`(${a[0]} % ${n})`, `(${a[1]} % ${n}::BIGINT)`];
      case 5:
        this.use("unary -");
        return pair((s) => `(- ${a[s]})`);
      case 6:
        this.use("abs int");
        return pair((s) => `abs(${a[s]})`);
      case 7: {
        this.use("length");
        const t = this.expr("text", depth);
        return pair((s) => `length(${t[s]})`);
      }
      case 8:
        this.use("cast dbl→int");
        return ["seconds::bigint", "seconds::BIGINT"];
      case 9: {
        this.use("cast bool→int");
        const b = this.expr("bool", depth);
        return [`(${b[0]})::int`, `(${b[1]})::BIGINT`];
      }
      case 10: {
        this.use("width_bucket");
        const d = this.expr("dbl", 0);
        const low = -100;
        const high = 700;
        const at = `(${d[1]})`;
        return [
          `width_bucket(${d[0]}, ${low}, ${high}, ${n})`,
          `(case when ${at} is null then null when ${at} < ${low} then 0 when ${at} >= ${high} then ${n + 1} ` +
            `else least(floor((${at} - (${low})) / ${high - low}::DOUBLE * ${n}::DOUBLE)::BIGINT, ${n - 1}) + 1 end)::BIGINT`,
        ];
      }
      default: {
        this.use("cast text→int");
        const i = this.expr("int", 0);
        return [`((${i[0]})::text)::bigint`, `((${i[1]})::VARCHAR)::BIGINT`];
      }
    }
  }
  dbl(depth) {
    const a = this.expr("dbl", depth);
    const b = this.literal("dbl");
    switch (this.below(13)) {
      case 0:
        this.use("dbl +");
        return pair((s) => `(${a[s]} + ${b[s]})`);
      case 1:
        this.use("dbl -");
        return pair((s) => `(${a[s]} - ${b[s]})`);
      case 2:
        this.use("dbl *");
        return pair((s) => `(${a[s]} * ${b[s]})`);
      case 3:
        this.use("dbl /");
        return pair((s) => `(${a[s]} / ${b[s]})`);
      case 4:
        this.use("dbl %");
        return pair((s) => `(${a[s]} % ${b[s]})`);
      case 5:
        this.use("abs dbl");
        return pair((s) => `abs(${a[s]})`);
      case 6:
        this.use("round");
        return [`round(${a[0]})`, `round_even(${a[1]}, 0)`];
      case 7:
        this.use("floor");
        return pair((s) => `floor(${a[s]})`);
      case 8: {
        this.use("ceil");
        const name = this.pick(["ceil", "ceiling"]);
        return pair((s) => `${name}(${a[s]})`);
      }
      case 9: {
        this.use("cast int→dbl");
        const i = this.expr("int", depth);
        return [`(${i[0]})::double precision`, `(${i[1]})::DOUBLE`];
      }
      case 10: {
        this.use("int and dbl");
        const i = this.expr("int", 0);
        const op = this.pick(["+", "-", "*"]);
        return [`(${i[0]} ${op} ${b[0]})`, `((${i[1]})::DOUBLE ${op} ${b[1]})`];
      }
      case 11:
        // The text of a double differs between the two, what it reads back as does not.
        this.use("cast dbl→text→dbl");
        return [`((${a[0]})::text)::double precision`, a[1]];
      default:
        this.use("round(x, n)");
        return this.both(`round(seconds, ${this.below(6) - 2})`);
    }
  }
  text(depth) {
    const a = this.expr("text", depth);
    switch (this.below(5)) {
      case 0:
        this.use("lower");
        return pair((s) => `lower(${a[s]})`);
      case 1:
        // Ours folds ASCII letters only; the data of these columns has no others.
        this.use("upper");
        return this.both(`upper(${this.pick(["version", "subject"])})`);
      case 2: {
        this.use("cast int→text");
        const i = this.expr("int", 0);
        return [`(${i[0]})::text`, `(${i[1]})::VARCHAR`];
      }
      case 3: {
        this.use("cast ts→text");
        const t = this.expr("ts", 0);
        return [`(${t[0]})::text`, `rtrim(rtrim(strftime(${t[1]}, '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || 'Z'`];
      }
      default: {
        this.use("cast bool→text");
        const b = this.expr("bool", 0);
        return [`(${b[0]})::text`, `(${b[1]})::VARCHAR`];
      }
    }
  }
  bool(depth) {
    const kind = this.pick(KINDS);
    const a = this.expr(kind, depth);
    const not = this.pick(["", "not "]);
    switch (this.below(13)) {
      case 0:
      case 1:
      case 2: {
        const op = this.pick(COMPARISONS);
        const b = this.some(15) ? this.quoted(kind) : this.expr(kind, 0);
        this.use(op, `compare ${kind}`);
        return pair((s) => `(${a[s]} ${op} ${b[s]})`);
      }
      case 3: {
        const op = this.pick(["and", "or"]);
        const x = this.expr("bool", depth);
        const y = this.expr("bool", 0);
        this.use(op);
        return pair((s) => `(${x[s]} ${op} ${y[s]})`);
      }
      case 4: {
        const x = this.expr("bool", depth);
        this.use("not");
        return pair((s) => `(not ${x[s]})`);
      }
      case 5: {
        const list = [0, 1, 2].map(() => this.literal(kind));
        if (this.some(30)) {
          this.use("in with null");
          list[1] = this.both("null");
        }
        this.use(`${not}in`);
        return pair((s) => `(${a[s]} ${not}in (${list.map((l) => l[s]).join(", ")}))`);
      }
      case 6: {
        const low = this.literal(kind);
        const high = this.literal(kind);
        this.use(`${not}between`);
        return pair((s) => `(${a[s]} ${not}between ${low[s]} and ${high[s]})`);
      }
      case 7:
        this.use("is null");
        return pair((s) => `(${a[s]} is ${not}null)`);
      case 8: {
        const x = this.expr("bool", depth);
        const word = this.pick(["true", "false", "unknown"]);
        this.use(`is ${word}`);
        return pair((s) => `(${x[s]} is ${not}${word})`);
      }
      case 9: {
        const b = this.expr(kind, 0);
        this.use("is distinct from");
        return pair((s) => `(${a[s]} is ${not}distinct from ${b[s]})`);
      }
      case 10: {
        this.use("cast int→bool");
        const i = this.expr("int", 0);
        return pair((s) => `(${i[s]})::boolean`);
      }
      case 11: {
        this.use("cast text→bool");
        const b = this.expr("bool", 0);
        return [`((${b[0]})::text)::boolean`, `((${b[1]})::VARCHAR)::BOOLEAN`];
      }
      default: {
        const t = this.expr("text", 0);
        const like = this.pick(["like", "ilike"]);
        const pattern = this.pick(["'%e%'", "'b%'", "'_.%'", "'%D'", "'a\\_b'", "'a\\%%'", "'%'", "'%l_p'", "'Stra_e'"]);
        this.use(like);
        return [`(${t[0]} ${not}${like} ${pattern})`, `(${t[1]} ${not}${like} ${pattern} escape '\\')`];
      }
    }
  }
  ts(depth) {
    const a = this.expr("ts", depth);
    switch (this.below(10)) {
      case 0:
      case 1: {
        const unit = this.pick(["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"]);
        this.use("date_trunc");
        return pair((s) => `date_trunc('${unit}', ${a[s]})`);
      }
      case 2: {
        const step = this.pick(["15 minutes", "3 hours", "2 days", "7 seconds"]);
        const origin = "timestamp '2001-01-01 00:00:00'";
        this.use("date_bin");
        return [`date_bin('${step}', ${a[0]}, ${origin})`, `time_bucket(interval '${step}', ${a[1]}, ${origin})`];
      }
      case 3: {
        const i = this.expr("itv", 0);
        this.use("ts + itv");
        return [`(${a[0]} + ${i[0]})`, `(${a[1]} + to_microseconds(${i[1]}))`];
      }
      case 4: {
        const i = this.expr("itv", 0);
        this.use("ts - itv");
        return [`(${a[0]} - ${i[0]})`, `(${a[1]} - to_microseconds(${i[1]}))`];
      }
      case 5: {
        const op = this.pick(["+", "-"]);
        const months = this.pick(["1 month", "13 months", "2 years"]);
        this.use("ts ± months");
        return this.both(`(${this.pick(COLUMNS.ts)} ${op} interval '${months}')`);
      }
      case 6:
        this.use("cast to date");
        return [`(${a[0]})::date`, `date_trunc('day', ${a[1]})`];
      case 7:
        this.use("cast text→ts");
        return [`((${a[0]})::text)::timestamptz`, a[1]];
      case 8: {
        this.use("current_date");
        const days = this.below(20);
        return ["current_date", "timestamp '2026-11-23 00:00:00'"].map((t) => `(${t} - interval '${days} days')`);
      }
      default: {
        // The runner's clock stands still.
        this.use("now");
        const days = this.below(20);
        return ["now()", "timestamp '2026-11-23 12:00:00'"].map((t) => `(${t} - interval '${days} days')`);
      }
    }
  }
  itv(depth) {
    const a = this.expr("itv", depth);
    switch (this.below(6)) {
      case 0: {
        const b = this.expr("itv", 0);
        const op = this.pick(["+", "-"]);
        this.use("itv ±");
        return pair((s) => `(${a[s]} ${op} ${b[s]})`);
      }
      case 1: {
        const x = this.column("ts");
        const y = this.expr("ts", 0);
        this.use("ts - ts");
        return [`(${x[0]} - ${y[0]})`, `(epoch_us(${x[1]}) - epoch_us(${y[1]}))`];
      }
      case 2:
        this.use("itv * int");
        return [`(${a[0]} * 3)`, `(${a[1]} * 3::BIGINT)`];
      case 3:
        this.use("itv * dbl");
        return [`(${a[0]} * 1.5)`, `(${a[1]}::DOUBLE * 1.5::DOUBLE)::BIGINT`];
      case 4:
        this.use("itv /");
        return [`(${a[0]} / 7)`, `(${a[1]}::DOUBLE / 7::DOUBLE)::BIGINT`];
      default:
        this.use("unary -");
        return pair((s) => `(- ${a[s]})`);
    }
  }

  // [ours, DuckDB's, kind of the answer]
  aggregate() {
    const filter = this.some(20) ? this.expr("bool", 1) : null;
    if (filter) this.use("filter");
    const tail = pair((s) => (filter ? ` filter (where ${filter[s]})` : ""));
    const wrap = (ours, duck, kind) => [ours + tail[0], duck + tail[1], kind];
    switch (this.below(12)) {
      case 0:
        this.use("count(*)");
        return wrap("count(*)", "count(*)", "int");
      case 1: {
        const x = this.expr(this.pick(KINDS), 1);
        this.use("count(x)");
        return wrap(`count(${x[0]})`, `count(${x[1]})`, "int");
      }
      case 2: {
        const x = this.expr(this.pick(KINDS), 1);
        this.use("count(distinct)");
        return wrap(`count(distinct ${x[0]})`, `count(distinct ${x[1]})`, "int");
      }
      case 3:
        this.use("count(distinct subject)");
        return wrap("count(distinct subject)", "count(distinct subject)", "int");
      case 4: {
        const kind = this.pick(["int", "itv"]);
        const x = kind === "int" ? this.expr("int", 1) : this.column("itv");
        this.use(`sum ${kind}`);
        return wrap(`sum(${x[0]})`, `sum(${x[1]})`, kind);
      }
      case 5:
        this.use("sum dbl");
        return wrap("sum(seconds * 3)", "sum(seconds * 3::DOUBLE)", "dbl");
      case 6:
        return this.average(tail);
      case 7: {
        const kind = this.pick(["int", "dbl", "text", "ts", "itv"]);
        const name = this.pick(["min", "max"]);
        const x = this.expr(kind, 1);
        this.use(name);
        return wrap(`${name}(${x[0]})`, `${name}(${x[1]})`, kind);
      }
      case 8: {
        const x = this.pick([this.both("seconds"), ["count_of % 100", "count_of % 100::BIGINT"]]);
        this.use("stddev");
        return wrap(`stddev(${x[0]})`, `stddev_samp((${x[1]})::DOUBLE)`, "dbl");
      }
      case 9:
        return this.percentileCont(tail);
      default: {
        const f = this.pick(["0", "0.25", "0.5", "0.9", "1"]);
        const kind = this.pick(["int", "dbl", "ts", "itv", "text"]);
        const x = this.column(kind);
        const order = this.descending(f);
        this.use(order ? "percentile_disc desc" : "percentile_disc");
        return [...pair((s) => `percentile_disc(${f}) within group (order by ${x[s]}${order})${tail[s]}`), kind];
      }
    }
  }
  // DuckDB takes fraction 0 of a descending order for that of an ascending one.
  descending(fraction) {
    return fraction === "0" || this.some(50) ? "" : " desc";
  }
  average(tail) {
    if (this.some(30)) {
      this.use("avg itv");
      return [`avg(took)${tail[0]}`, `(sum(took)${tail[1]} // nullif(count(took)${tail[1]}, 0))`, "itv"];
    }
    const x = this.some(50) ? this.both("seconds") : this.expr("int", 1);
    this.use("avg");
    // Whole numbers are summed exactly here; DuckDB's avg would sum doubles.
    return [`avg(${x[0]})${tail[0]}`, `((sum(${x[1]})${tail[1]})::DOUBLE / nullif(count(${x[1]})${tail[1]}, 0))`, "dbl"];
  }
  percentileCont(tail) {
    const f = this.pick(["0", "0.25", "0.5", "0.95", "1"]);
    const order = this.descending(f);
    this.use(order ? "percentile_cont desc" : "percentile_cont");
    if (this.some(30)) {
      this.use("percentile_cont itv");
      return [
        `percentile_cont(${f}) within group (order by took${order})${tail[0]}`,
        `(round(percentile_cont(${f}) within group (order by took::DOUBLE${order})${tail[1]})::BIGINT)`,
        "itv ± 1",
      ];
    }
    const x = this.pick([this.both("seconds"), ["count_of % 100", "(count_of % 100::BIGINT)::DOUBLE"]]);
    return [...pair((s) => `percentile_cont(${f}) within group (order by ${x[s]}${order})${tail[s]}`), "dbl"];
  }

  shown(text, kind) {
    if (kind === "ts") return `epoch_us(${text})::VARCHAR`;
    if (kind === "int" || kind.startsWith("itv")) return `(${text})::VARCHAR`;
    return kind === "dbl" ? `(${text})::DOUBLE` : text;
  }

  // Conditions by which whole days and blocks can be left out.
  bounds() {
    switch (this.below(6)) {
      case 0: {
        this.use("bounds on time");
        const day = 6 + this.below(6);
        const hours = this.pick([0, 6, 13, 20]);
        const from = `timestamp '2026-11-${`${day}`.padStart(2, "0")} ${`${hours}`.padStart(2, "0")}:00:00'`;
        const length = this.pick(["7 hours", "1 day", "3 days"]);
        return this.both(`event_time >= ${from} and event_time < ${from} + interval '${length}'`);
      }
      case 1: {
        this.use("bounds on time");
        const time = this.literal("ts");
        const op = this.pick(["<", "<=", ">", ">="]);
        return this.both(this.some(50) ? `event_time ${op} ${time[0]}` : `${time[0]} ${op} event_time`);
      }
      case 2: {
        this.use("bounds on truncated time");
        const unit = this.pick(["hour", "day", "week", "month"]);
        const op = this.pick(["=", "<", "<=", ">", ">="]);
        const column = this.pick(COLUMNS.ts);
        const time = this.pick(["06", "07", "08", "10", "11"]).concat(" ", this.pick(["00:00:00", "19:00:00", "12:30:00"]));
        return this.both(`date_trunc('${unit}', ${column}) ${op} timestamp '2026-11-${time}'`);
      }
      case 3: {
        this.use("one subject");
        return this.both(`subject = '${this.pick(this.subjects)}'`);
      }
      default: {
        this.use("bounds on a field");
        const kind = this.pick(["int", "int", "itv", "ts"]);
        const column = kind === "ts" ? this.both("seen_at") : this.column(kind);
        const [a, b] = [this.literal(kind), this.literal(kind)];
        if (this.some(30)) return pair((s) => `${column[s]} between ${a[s]} and ${b[s]}`);
        const op = this.pick(kind === "int" ? ["=", "<", "<=", ">", ">="] : ["<", "<=", ">", ">="]);
        return this.some(50) ? pair((s) => `${column[s]} ${op} ${a[s]}`) : pair((s) => `${a[s]} ${op} ${column[s]}`);
      }
    }
  }
  where() {
    if (this.some(25)) return ["", ""];
    this.use("where");
    if (this.some(45)) {
      const parts = [this.bounds()];
      if (this.some(20)) parts.push(this.bounds());
      if (this.some(30)) parts.push(this.expr("bool", 1));
      return pair((s) => ` where ${parts.map((part) => part[s]).join(" and ")}`);
    }
    // Mostly conditions that leave something.
    const p = this.expr("bool", this.some(60) ? 1 : 2);
    if (!this.some(50)) return pair((s) => ` where ${p[s]}`);
    const time = this.literal("ts");
    return pair((s) => ` where (${p[s]} or event_time >= ${time[s]})`);
  }
  // Every one of `keys` (DuckDB's texts of the first output columns) takes part, so that the order
  // is total up to equal rows.
  order(keys, grouped) {
    const parts = [[], []];
    if (grouped && this.some(25)) {
      this.use("order by aggregate");
      parts.forEach((p) => p.push("count(*) desc"));
    }
    const named = this.some(30);
    if (named) this.use("order by name");
    keys.forEach((key, c) => {
      const desc = this.some(40);
      const nulls = this.pick(["", " nulls first", " nulls last"]);
      const shown = nulls || (desc ? " nulls first" : " nulls last");
      if (nulls) this.use("nulls first/last");
      parts[0].push(`${named ? `c${c}` : c + 1}${desc ? " desc" : ""}${nulls}`);
      parts[1].push(`${key}${desc ? " desc" : ""}${shown}`);
    });
    this.use("order by");
    const limit = this.some(70) ? ` limit ${this.below(30) + 1}${this.some(40) ? ` offset ${this.below(4)}` : ""}` : "";
    if (limit) this.use("limit");
    if (limit.includes("offset")) this.use("offset");
    return parts.map((p) => ` order by ${p.join(", ")}${limit}`);
  }

  rows(where) {
    const items = [];
    for (let i = this.below(3) + 1; i > 0; --i) {
      const kind = this.pick(KINDS);
      items.push([...this.expr(kind, 2), kind]);
    }
    const list = pair((s) => items.map((i, n) => `${i[s]} as c${n}`).join(", "));
    const shown = items.map((i, n) => `${this.shown(`c${n}`, i[2])} as c${n}`).join(", ");
    const distinct = this.some(25) ? "distinct " : "";
    if (distinct) this.use("select distinct");
    // DuckDB sorts by the values before they are shown.
    const inner = pair((s) => `select ${distinct}${list[s]} from events${where[s]}`);
    const ordered = this.some(80);
    const order = ordered ? this.order(items.map((_, n) => `t.c${n}`), false) : ["", ""];
    return {
      ours: inner[0] + order[0],
      duck: `select ${shown} from (${inner[1]}) t${order[1]}`,
      kinds: items.map((i) => i[2]),
      ordered,
    };
  }
  having() {
    if (!this.some(25)) return ["", ""];
    this.use("having");
    const n = this.below(5);
    return this.both(` having ${this.pick([`count(*) > ${n}`, `count(distinct subject) > ${n}`, `not max(count_of) < ${n}`])}`);
  }
  groups(where, most) {
    const keys = [];
    for (let k = most && this.below(most) + 1; k > 0; --k) {
      const kind = this.pick(["text", "text", "bool", "ts", "int"]);
      keys.push([...(kind === "ts" ? this.ts(0) : this.expr(kind, 1)), kind]);
    }
    const items = [...keys];
    for (let a = this.below(3) + 1; a > 0; --a) items.push(this.aggregate());
    const list = pair((s) => items.map((i, n) => `${s ? this.shown(i[1], i[2]) : i[0]} as c${n}`).join(", "));
    let text = pair((s) => `select ${list[s]} from events${where[s]}`);
    let ordered = false;
    if (keys.length > 0) {
      this.use("group by");
      const named = this.some(30);
      if (named) this.use("group by name");
      const by = [keys.map((_, n) => (named ? `c${n}` : n + 1)).join(", "), keys.map((k) => `(${k[1]})`).join(", ")];
      const having = this.having();
      text = text.map((t, s) => `${t} group by ${by[s]}${having[s]}`);
      ordered = this.some(50);
      if (ordered) {
        const order = this.order(keys.map((k) => `(${k[1]})`), true);
        text = text.map((t, s) => t + order[s]);
      }
    }
    return { ours: text[0], duck: text[1], kinds: items.map((i) => i[2]), ordered };
  }
  query() {
    this.used.clear();
    const where = this.where();
    const shape = this.below(10);
    const query = shape < 3 ? this.rows(where) : this.groups(where, shape < 5 ? 0 : 2);
    return { ...query, used: [...this.used] };
  }
}
