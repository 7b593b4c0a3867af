// Random queries in two dialects: ours and DuckDB's. Both texts of an expression are built side by
// side; where DuckDB spells or types a thing differently, only its text differs (docs/sql.md lists
// where). Intervals are BIGINT microseconds there.

export const KINDS = ["int", "dbl", "text", "bool", "ts", "itv"];

export class Generator {
  constructor(seed) {
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
    for (const name of names) this.used.add(name);
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
      case "ts": {
        const day = 6 + this.below(5);
        const text = `${day}`.padStart(2, "0");
        const time = this.pick(["00:00:00", "12:30:00", "23:59:59.999999"]);
        return this.both(`timestamp '2026-11-${text} ${time}'`);
      }
      default: {
        const minutes = this.below(90);
        const seconds = this.below(60);
        this.use("interval");
        return [`interval '${minutes} minutes ${seconds} seconds'`, `${(minutes * 60 + seconds) * 1000000}::BIGINT`];
      }
    }
  }
  column(kind) {
    const names = {
      int: ["count_of"],
      dbl: ["seconds"],
      text: ["command", "version", "subject"],
      bool: ["ok"],
      ts: ["event_time", "seen_at"],
      itv: ["took"],
    };
    return this.both(this.pick(names[kind]));
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
      case 0: {
        this.use("coalesce");
        return [`coalesce(${a[0]}, ${b[0]})`, `coalesce(${a[1]}, ${b[1]})`];
      }
      case 1: {
        this.use("nullif");
        const c = this.literal(kind);
        return [`nullif(${a[0]}, ${c[0]})`, `nullif(${a[1]}, ${c[1]})`];
      }
      case 2: {
        this.use("case");
        const when = this.expr("bool", depth);
        return [0, 1].map((s) => `(case when ${when[s]} then ${a[s]} else ${b[s]} end)`);
      }
      default: {
        this.use("case");
        const when = this.expr("text", 0);
        const is = this.literal("text");
        return [0, 1].map((s) => `(case ${when[s]} when ${is[s]} then ${a[s]} end)`);
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
        return [`(${a[0]} + ${b[0]})`, `(${a[1]} + ${b[1]})`];
      }
      case 1: {
        const b = this.expr("int", 0);
        this.use("int -");
        return [`(${a[0]} - ${b[0]})`, `(${a[1]} - ${b[1]})`];
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
        return [`(- ${a[0]})`, `(- ${a[1]})`];
      case 6:
        this.use("abs int");
        return [`abs(${a[0]})`, `abs(${a[1]})`];
      case 7: {
        this.use("length");
        const t = this.expr("text", depth);
        return [`length(${t[0]})`, `length(${t[1]})`];
      }
      case 8: {
        this.use("cast dbl→int");
        return ["seconds::bigint", "seconds::BIGINT"];
      }
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
      default:
        this.use("cast text→int");
        return [`(${n}::text)::bigint`, `(${n}::VARCHAR)::BIGINT`];
    }
  }
  dbl(depth) {
    const a = this.expr("dbl", depth);
    const b = this.literal("dbl");
    switch (this.below(11)) {
      case 0:
        this.use("dbl +");
        return [`(${a[0]} + ${b[0]})`, `(${a[1]} + ${b[1]})`];
      case 1:
        this.use("dbl -");
        return [`(${a[0]} - ${b[0]})`, `(${a[1]} - ${b[1]})`];
      case 2:
        this.use("dbl *");
        return [`(${a[0]} * ${b[0]})`, `(${a[1]} * ${b[1]})`];
      case 3:
        this.use("dbl /");
        return [`(${a[0]} / ${b[0]})`, `(${a[1]} / ${b[1]})`];
      case 4:
        this.use("dbl %");
        return [`(${a[0]} % ${b[0]})`, `(${a[1]} % ${b[1]})`];
      case 5:
        this.use("abs dbl");
        return [`abs(${a[0]})`, `abs(${a[1]})`];
      case 6:
        this.use("round");
        return [`round(${a[0]})`, `round_even(${a[1]}, 0)`];
      case 7:
        this.use("floor");
        return [`floor(${a[0]})`, `floor(${a[1]})`];
      case 8:
        this.use("ceil");
        return [`ceil(${a[0]})`, `ceil(${a[1]})`];
      case 9: {
        this.use("cast int→dbl");
        const i = this.expr("int", depth);
        return [`(${i[0]})::double precision`, `(${i[1]})::DOUBLE`];
      }
      default:
        this.use("round(x, n)");
        return ["round(seconds, 2)", "round(seconds, 2)"];
    }
  }
  text(depth) {
    const a = this.expr("text", depth);
    switch (this.below(4)) {
      case 0:
        this.use("lower");
        return [`lower(${a[0]})`, `lower(${a[1]})`];
      case 1: {
        // Ours folds ASCII letters only; the data of these columns has no others.
        this.use("upper");
        const c = this.pick(["version", "subject"]);
        return this.both(`upper(${c})`);
      }
      case 2: {
        this.use("cast int→text");
        const i = this.expr("int", 0);
        return [`(${i[0]})::text`, `(${i[1]})::VARCHAR`];
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
    switch (this.below(11)) {
      case 0:
      case 1:
      case 2: {
        const op = this.pick(["=", "<>", "<", "<=", ">", ">="]);
        const b = this.expr(kind, 0);
        this.use(op, `compare ${kind}`);
        return [0, 1].map((s) => `(${a[s]} ${op} ${b[s]})`);
      }
      case 3: {
        const op = this.pick(["and", "or"]);
        const x = this.expr("bool", depth);
        const y = this.expr("bool", 0);
        this.use(op);
        return [0, 1].map((s) => `(${x[s]} ${op} ${y[s]})`);
      }
      case 4: {
        const x = this.expr("bool", depth);
        this.use("not");
        return [0, 1].map((s) => `(not ${x[s]})`);
      }
      case 5: {
        const not = this.pick(["", "not "]);
        const list = [0, 1, 2].map(() => this.literal(kind));
        this.use("in");
        return [0, 1].map((s) => `(${a[s]} ${not}in (${list.map((l) => l[s]).join(", ")}))`);
      }
      case 6: {
        const not = this.pick(["", "not "]);
        const low = this.literal(kind);
        const high = this.literal(kind);
        this.use("between");
        return [0, 1].map((s) => `(${a[s]} ${not}between ${low[s]} and ${high[s]})`);
      }
      case 7: {
        const not = this.pick(["", "not "]);
        this.use("is null");
        return [0, 1].map((s) => `(${a[s]} is ${not}null)`);
      }
      case 8: {
        const x = this.expr("bool", depth);
        const word = this.pick(["true", "false"]);
        const not = this.pick(["", "not "]);
        this.use("is true");
        return [0, 1].map((s) => `(${x[s]} is ${not}${word})`);
      }
      case 9: {
        const b = this.expr(kind, 0);
        const not = this.pick(["", "not "]);
        this.use("is distinct from");
        return [0, 1].map((s) => `(${a[s]} is ${not}distinct from ${b[s]})`);
      }
      default: {
        const t = this.expr("text", 0);
        const like = this.pick(["like", "ilike", "not like", "not ilike"]);
        const pattern = this.pick(["'%e%'", "'b%'", "'_.%'", "'%D'", "'a\\_b'", "'a\\%%'", "'%'", "'%l_p'", "'Stra_e'"]);
        this.use(like.replace("not ", ""));
        return [`(${t[0]} ${like} ${pattern})`, `(${t[1]} ${like} ${pattern} escape '\\')`];
      }
    }
  }
  ts(depth) {
    const a = this.expr("ts", depth);
    switch (this.below(7)) {
      case 0:
      case 1: {
        const unit = this.pick(["second", "minute", "hour", "day", "week", "month", "quarter", "year"]);
        this.use("date_trunc");
        return [`date_trunc('${unit}', ${a[0]})`, `date_trunc('${unit}', ${a[1]})::TIMESTAMP`];
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
        return this.both(`(${this.pick(["event_time", "seen_at"])} ${op} interval '${months}')`);
      }
      default:
        // The runner's clock stands still.
        this.use("now");
        const days = this.below(20);
        return ["now()", "timestamp '2026-11-23 12:00:00'"].map((t) => `(${t} - interval '${days} days')`);
    }
  }
  itv(depth) {
    const a = this.expr("itv", depth);
    switch (this.below(6)) {
      case 0: {
        const b = this.expr("itv", 0);
        this.use("itv ±");
        return [`(${a[0]} + ${b[0]})`, `(${a[1]} + ${b[1]})`];
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
        return [`(- ${a[0]})`, `(- ${a[1]})`];
    }
  }

  // [ours, DuckDB's, kind of the answer]
  aggregate() {
    const filter = this.some(20) ? this.expr("bool", 1) : null;
    if (filter) this.use("filter");
    const tail = [0, 1].map((s) => (filter ? ` filter (where ${filter[s]})` : ""));
    const wrap = (ours, duck, kind) => [ours + tail[0], duck + tail[1], kind];
    switch (this.below(10)) {
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
      case 3: {
        const kind = this.pick(["int", "itv"]);
        const x = kind === "int" ? this.expr("int", 1) : this.column("itv");
        this.use(`sum ${kind}`);
        return wrap(`sum(${x[0]})`, `sum(${x[1]})`, kind);
      }
      case 4:
        this.use("sum dbl");
        return wrap("sum(seconds * 3)", "sum(seconds * 3::DOUBLE)", "dbl");
      case 5: {
        const x = this.some(50) ? this.both("seconds") : this.expr("int", 1);
        this.use("avg");
        // Whole numbers are summed exactly here; DuckDB's avg would sum doubles.
        const total = x[0] === "seconds" ? "sum(seconds)" : `sum(${x[1]})`;
        return [`avg(${x[0]})${tail[0]}`, `((${total}${tail[1]})::DOUBLE / nullif(count(${x[1]})${tail[1]}, 0))`, "dbl"];
      }
      case 6: {
        const kind = this.pick(["int", "dbl", "text", "ts", "itv"]);
        const name = this.pick(["min", "max"]);
        const x = this.expr(kind, 1);
        this.use(name);
        return wrap(`${name}(${x[0]})`, `${name}(${x[1]})`, kind);
      }
      case 7: {
        const x = this.pick([this.both("seconds"), ["count_of % 100", "count_of % 100::BIGINT"]]);
        this.use("stddev");
        return wrap(`stddev(${x[0]})`, `stddev_samp((${x[1]})::DOUBLE)`, "dbl");
      }
      case 8: {
        const f = this.pick(["0", "0.25", "0.5", "0.95", "1"]);
        const x = this.pick([this.both("seconds"), ["count_of % 100", "(count_of % 100::BIGINT)::DOUBLE"]]);
        // DuckDB takes fraction 0 of a descending order for that of an ascending one.
        const desc = f === "0" ? "" : this.pick(["", " desc"]);
        this.use("percentile_cont");
        return [0, 1].map((s) => `percentile_cont(${f}) within group (order by ${x[s]}${desc})${tail[s]}`).concat("dbl");
      }
      default: {
        const f = this.pick(["0", "0.25", "0.5", "0.9", "1"]);
        const kind = this.pick(["int", "dbl", "ts"]);
        const x = this.column(kind);
        this.use("percentile_disc");
        return [0, 1].map((s) => `percentile_disc(${f}) within group (order by ${x[s]})${tail[s]}`).concat(kind);
      }
    }
  }

  shown(text, kind) {
    if (kind === "ts") return `epoch_us(${text})::VARCHAR`;
    if (kind === "int" || kind === "itv") return `(${text})::VARCHAR`;
    return kind === "dbl" ? `(${text})::DOUBLE` : text;
  }
  where() {
    if (this.some(30)) return ["", ""];
    this.use("where");
    // Mostly conditions that leave something.
    const p = this.some(60) ? this.expr("bool", 1) : this.expr("bool", 2);
    if (!this.some(50)) return [0, 1].map((s) => ` where ${p[s]}`);
    const time = this.literal("ts");
    return [0, 1].map((s) => ` where (${p[s]} or event_time >= ${time[s]})`);
  }
  order(count, ours) {
    // Every output column takes part, so that the order is total up to equal rows.
    const parts = [[], []];
    for (let c = 1; c <= count; ++c) {
      const desc = this.some(40);
      const nulls = this.pick(["", " nulls first", " nulls last"]);
      const shown = nulls || (desc ? " nulls first" : " nulls last");
      if (nulls) this.use("nulls first/last");
      parts[0].push(`${c}${desc ? " desc" : ""}${nulls}`);
      parts[1].push(`${ours[c - 1]}${desc ? " desc" : ""}${shown}`);
    }
    this.use("order by");
    const limit = this.some(50) ? ` limit ${this.below(30) + 1}${this.some(40) ? ` offset ${this.below(4)}` : ""}` : "";
    if (limit) this.use("limit");
    if (limit.includes("offset")) this.use("offset");
    return parts.map((p) => ` order by ${p.join(", ")}${limit}`);
  }

  query() {
    this.used.clear();
    const where = this.where();
    const items = [];
    let text;
    let ordered = false;
    const shape = this.below(10);
    if (shape < 3) {
      // rows
      for (let i = this.below(3) + 1; i > 0; --i) {
        const kind = this.pick(KINDS);
        items.push([...this.expr(kind, 2), kind]);
      }
      const distinct = this.some(25) ? "distinct " : "";
      if (distinct) this.use("select distinct");
      const list = [0, 1].map((s) => items.map((i, n) => `${s ? this.shown(i[1], i[2]) : i[0]} as c${n}`).join(", "));
      text = [0, 1].map((s) => `select ${distinct}${list[s]} from events${where[s]}`);
      if (!distinct && this.some(60)) {
        const order = this.order(items.length, items.map((i) => i[1]));
        text = text.map((t, s) => t + order[s]);
        ordered = true;
      }
    } else {
      const keys = [];
      for (let k = shape < 5 ? 0 : this.below(2) + 1; k > 0; --k) {
        const kind = this.pick(["text", "text", "bool", "ts", "int"]);
        keys.push([...(kind === "ts" ? this.ts(0) : this.expr(kind, 1)), kind]);
      }
      const aggregates = [];
      for (let a = this.below(3) + 1; a > 0; --a) aggregates.push(this.aggregate());
      items.push(...keys, ...aggregates);
      const list = [0, 1].map((s) => items.map((i, n) => `${s ? this.shown(i[1], i[2]) : i[0]} as c${n}`).join(", "));
      text = [0, 1].map((s) => `select ${list[s]} from events${where[s]}`);
      if (keys.length > 0) {
        this.use("group by");
        const by = [keys.map((_, n) => n + 1).join(", "), keys.map((k) => `(${k[1]})`).join(", ")];
        text = text.map((t, s) => `${t} group by ${by[s]}`);
        if (this.some(25)) {
          this.use("having");
          const least = this.below(5);
          text = text.map((t) => `${t} having count(*) > ${least}`);
        }
        if (this.some(50)) {
          const order = this.order(keys.length, keys.map((k) => `(${k[1]})`));
          text = text.map((t, s) => t + order[s]);
          ordered = true;
        }
      }
    }
    return { ours: text[0], duck: text[1], kinds: items.map((i) => i[2]), ordered, used: [...this.used] };
  }
}
