"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const entries = data.entries;
  const byId = new Map(entries.map((e) => [e.id, e]));
  const PAGE = 200;
  const $ = (id) => document.getElementById(id);

  // Text goes in as text, never as markup: entries may come from strangers.
  function make(tag, attributes = {}, ...children) {
    const node = tag.startsWith("svg:")
      ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat().filter((c) => c !== null && c !== undefined));
    return node;
  }

  const entrant = (e) => [e.method, e.params === "default" ? "" : e.params, e.sampler, e.grid, e.steps, e.from === "here" ? "" : `(${e.from})`].filter((p) => p !== null && p !== undefined && p !== "").join(" ");
  for (const e of entries) e.entrant = entrant(e);

  // Statistics, as in `tabstep compare`.
  function lnGamma(x) {
    const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];
    let y = x, sum = 1.000000000190015;
    const t = x + 5.5 - (x + 0.5) * Math.log(x + 5.5);
    for (const k of c) sum += k / ++y;
    return -t + Math.log(2.5066282746310005 * sum / x);
  }
  function incompleteBeta(a, b, x) {  // regularised, by Lentz's continued fraction
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, 1 - x);
    const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
    const tiny = 1e-300;
    let f = 1, c = 1, d = 0;
    for (let i = 0; i <= 300; i++) {
      const m = i >> 1;
      const term = i === 0 ? 1 : i % 2 === 0 ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)) : -((a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
      d = 1 + term * d; if (Math.abs(d) < tiny) d = tiny; d = 1 / d;
      c = 1 + term / c; if (Math.abs(c) < tiny) c = tiny;
      f *= c * d;
      if (Math.abs(1 - c * d) < 1e-12) break;
    }
    return front * (f - 1);
  }
  const upperTail = (t, n) => { const p = incompleteBeta(n / 2, 0.5, n / (n + t * t)) / 2; return t >= 0 ? p : 1 - p; };
  function quantile(p, n) {  // t with P(T > t) = p
    let low = 0, high = 1e4;
    for (let i = 0; i < 200; i++) { const mid = (low + high) / 2; upperTail(mid, n) > p ? (low = mid) : (high = mid); }
    return (low + high) / 2;
  }
  const mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
  const deviation = (v) => { const m = mean(v); return Math.sqrt(v.reduce((a, b) => a + (b - m) ** 2, 0) / (v.length - 1)); };

  function versus(first, second) {
    const key = (e, u) => `${e.dataset} ${u[0]} ${u[1]}`;
    const scores = (group) => new Map(group.flatMap((e) => (e.units || []).map((u) => [key(e, u), { dataset: e.dataset, train: u[0], value: Math.max(u[2], 0) }])));
    const a = scores(first), b = scores(second);
    const by = new Map();  // dataset, training seed, pairs of scores
    let pairs = 0;
    for (const [k, x] of a) {
      if (!b.has(k)) continue;
      pairs++;
      if (!by.has(x.dataset)) by.set(x.dataset, new Map());
      const seeds = by.get(x.dataset);
      if (!seeds.has(x.train)) seeds.set(x.train, []);
      seeds.get(x.train).push([x.value, b.get(k).value]);
    }
    if (pairs < 2) return { pairs, datasets: by.size };
    const both = (list) => [mean(list.map((p) => p[0])), mean(list.map((p) => p[1]))];
    const trained = [...by.values()].map((seeds) => [...seeds.values()].map(both));
    const tables = trained.map(both);
    const levels = [["datasets", tables], ["training seeds", trained[0]], ["sampling seeds", [...[...by.values()][0].values()][0]]];
    const [over, sample] = levels.find(([, level]) => level.length > 1);
    const bound = mean(tables.map(([, base]) => Math.max(data.margin * base, data.least_margin)));
    const differences = sample.map(([x, y]) => x - y);
    const m = mean(differences), n = differences.length, scatter = deviation(differences), error = scatter / Math.sqrt(n);
    let different = 1, equal = 1, half = NaN;
    if (scatter > data.dust * Math.max(...sample.flat())) {
      different = 2 * upperTail(Math.abs(m) / error, n - 1);
      equal = Math.max(upperTail((m + bound) / error, n - 1), upperTail(-(m - bound) / error, n - 1));
      half = quantile(data.level / 2, n - 1) * error;
    }
    const says = equal < data.level ? "equal" : different < data.level ? (m > 0 ? "better" : "worse") : "undecided";
    return { pairs, datasets: by.size, over, size: n, difference: m, low: m - half, high: m + half, different, equal, bound, says };
  }

  // Scores.
  const primary = (e) => data.primary[e.task];
  const metricOf = (e) => (state.metric === "primary" ? primary(e) : state.metric);
  const scoreOf = (e) => (e.scores[metricOf(e)] ? e.scores[metricOf(e)][0] : null);
  const seconds = (e) => (e.sample_s === null ? null : (e.prepare_s || 0) + e.sample_s);
  // A score that should be as that of fresh real rows is ranked by its distance from there; one that nothing needs to
  // beat beyond some value, such as an area of one half, is that value there.
  function offOf(e, metric) {
    const wanted = data.expected[metric], score = e.scores[metric];
    if (!score) return null;
    if (wanted === undefined) return metric in data.chance ? Math.max(data.chance[metric], score[0]) : score[0];
    const at = typeof wanted === "number" ? wanted : e.scores[wanted] ? e.scores[wanted][0] : null;
    return at === null ? null : Math.abs(score[0] - at);
  }
  const rankedOf = (e) => offOf(e, metricOf(e));
  const lowerIsBetter = (metric) => data.lower.includes(metric) || metric in data.expected;
  const digits = (v) => (v === null || v === undefined ? "" : Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 0.0995 || v === 0 ? v.toFixed(3) : v.toPrecision(2));

  // State, and the address that holds it.
  const FILTERS = ["suite", "dataset", "task", "method", "sampler", "steps", "from", "status"];
  const initial = { metric: "primary", search: "", sort: "real", down: "yes", x: "seconds", plotted: "", a: "", b: "", entry: "" };
  for (const f of FILTERS) initial[f] = "";
  initial.suite = data.suite;
  let state = { ...initial }, shown = PAGE, shownRanks = 20;
  function read() {
    const found = new URLSearchParams(location.hash.slice(1));
    state = { ...initial };
    for (const [key, value] of found) if (key in state) state[key] = value;
  }
  function write(changes, push = false) {
    Object.assign(state, changes);
    const found = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) if (value !== initial[key]) found.set(key, value);
    history[push ? "pushState" : "replaceState"](null, "", found.size === 0 ? location.pathname + location.search : `#${found}`);
    shown = PAGE; shownRanks = 20;
    draw();
  }
  const value = (e, f) => (f === "sampler" ? [e.sampler, e.grid].filter(Boolean).join(" ") : e[f] === null || e[f] === undefined ? "" : String(e[f]));
  const passes = (e, except = "") => FILTERS.every((f) => f === except || state[f] === "" || value(e, f) === (state[f] === "none" ? "" : state[f])) && (state.search === "" || `${e.dataset} ${e.entrant}`.toLowerCase().includes(state.search.toLowerCase()));

  function options(select, values, chosen, label) {
    select.replaceChildren(...values.map((v) => make("option", { value: v, selected: v === chosen }, label ? label(v) : v)));
    select.value = chosen;
  }
  const controls = {};
  function control(parent, name, title, kind = "select") {
    const node = kind === "select" ? make("select", { name }) : make("input", { name, type: "search", placeholder: "any words" });
    node.addEventListener(kind === "select" ? "change" : "input", () => write({ [name]: node.value }));
    parent.append(make("label", {}, title, node));
    controls[name] = node;
  }
  const titles = { suite: "Suite", dataset: "Dataset", task: "Task", method: "Method", sampler: "Sampler and grid", steps: "Step budget", from: "Source", status: "Status" };
  for (const f of FILTERS) control($("filters"), f, titles[f]);
  control($("filters"), "metric", "Metric");
  control($("filters"), "search", "Search", "input");
  $("filters").append(make("button", { type: "button", onclick: () => { const { suite, ...rest } = initial; write({ ...rest, suite }); } }, "Reset"));
  control($("plot-controls"), "plotted", "Dataset of the plot");
  control($("plot-controls"), "x", "Cost");
  control($("compare-controls"), "a", "First");
  control($("compare-controls"), "b", "Second");

  const order = (a, b) => (a === b ? 0 : a === "" ? -1 : b === "" ? 1 : Number.isFinite(+a) && Number.isFinite(+b) ? +a - +b : a < b ? -1 : 1);
  function drawControls(rows) {
    for (const f of FILTERS) {
      const values = [...new Set(entries.filter((e) => passes(e, f)).map((e) => value(e, f)))].sort(order);
      const listed = ["", ...values.map((v) => (v === "" ? "none" : v))];
      if (state[f] !== "" && !listed.includes(state[f])) listed.push(state[f]);
      options(controls[f], listed, state[f], (v) => (v === "" ? "all" : v));
    }
    const metrics = [...new Set(rows.flatMap((e) => Object.keys(e.scores)))].sort();
    if (state.metric !== "primary" && !metrics.includes(state.metric)) metrics.push(state.metric);
    options(controls.metric, ["primary", ...metrics], state.metric, (v) => (v === "primary" ? "efficacy by CatBoost" : v));
    if (controls.search.value !== state.search) controls.search.value = state.search;
    const sets = [...new Set(rows.map((e) => e.dataset))].sort();
    if (!sets.includes(state.plotted)) state.plotted = "";
    options(controls.plotted, ["", ...sets], state.plotted, (v) => (v === "" ? `${sets[0] || "none"} (first)` : v));
    options(controls.x, ["seconds", "evaluations"], state.x, (v) => (v === "seconds" ? "seconds to draw" : "network evaluations"));
    const names = [...new Set(rows.map((e) => e.entrant))].sort();
    for (const side of ["a", "b"]) {
      const known = state[side] === "" || names.includes(state[side]) ? names : [state[side], ...names];
      options(controls[side], ["", ...known], state[side], (v) => (v === "" ? "choose" : v));
    }
  }

  // The table of entries.
  const link = (e, text) => make("a", { href: `#entry=${encodeURIComponent(e.id)}`, onclick: (event) => { event.preventDefault(); open(e.id); } }, text);
  const ofOne = (e) => (e.seeds[0].length === 1 ? " *" : "");  // one training seed: the interval is of one network
  function interval(e, metric) {
    const score = e.scores[metric];
    if (!score) return "";
    const half = score[1] === null ? null : (score[2] - score[1]) / 2;
    return [digits(score[0]), half === null ? null : make("span", { class: "half" }, ` ± ${Math.abs(score[0]) >= 100 ? half.toFixed(0) : half.toFixed(3)}${ofOne(e)}`)];
  }
  const marks = { bitwise: ["good", "verified"], equivalent: ["good", "verified elsewhere"], differs: ["bad", "differs"], failed: ["bad", "fails again"] };
  function status(e) {
    const parts = [];
    if (e.status !== "ok") parts.push(make("span", { class: "bad" }, e.status), " ");
    if (e.from !== "here") parts.push(make("span", { class: "tag warn" }, "self-reported"), " ");
    if (e.again.length) parts.push(make("span", { class: "tag", title: e.again.join("; ") }, "handed in too"), " ");
    if (e.mark) parts.push(make("span", { class: "tag warn", title: e.mark }, e.mark.split(":")[0]), " ");
    if (e.verified) parts.push(make("span", { class: `tag ${marks[e.verified][0]}` }, marks[e.verified][1]));
    return parts;
  }
  const SCORE = ["score", "score", (e) => scoreOf(e), (e) => interval(e, metricOf(e)), "number"];
  const COLUMNS = [
    ["dataset", "dataset", (e) => e.dataset, (e) => e.dataset],
    ["method", "method", (e) => `${e.method} ${e.params}`, (e) => link(e, e.params === "default" ? e.method : `${e.method} ${e.params}`)],
    ["sampler", "sampler", (e) => value(e, "sampler"), (e) => value(e, "sampler")],
    ["steps", "steps", (e) => e.steps, (e) => e.steps ?? "", "number"],
    SCORE,
    ["real", "% of real", (e) => share(e), (e) => (share(e) === null ? "" : share(e).toFixed(1)), "number wide"],
    ["nfe", "evaluations", (e) => e.nfe, (e) => (e.nfe === null ? "" : String(+e.nfe.toPrecision(4))), "number wide"],
    ["seconds", "draw s", (e) => seconds(e), (e) => digits(seconds(e)), "number"],
    ["fit", "fit s", (e) => e.fit_s, (e) => digits(e.fit_s), "number wide"],
    ["suite", "suite", (e) => e.suite, (e) => e.suite, "wide"],
    ["state", "status", (e) => e.status, status, ""],
  ];
  const HELP = {
    dataset: "the table; its card says where it comes from", method: "the generator and its settings; choose it for all of them",
    sampler: "how rows are drawn from a diffusion, and on which times; empty for methods without steps",
    steps: "network evaluations that were asked for", score: "by the metric above, the mean over seeds ± half of its interval",
    "% of real": "the score in parts of that of the training rows themselves", evaluations: "network evaluations a row, counted",
    "draw s": "seconds to prepare and draw, measured beside other work", "fit s": "seconds to train, once for all samplers",
    suite: "the list of cells that it was run in", status: "whether all cells are complete, who reports it, and whether it was made again",
  };
  $("columns").append(...Object.entries(HELP).flatMap(([name, says]) => [make("dt", {}, name), make("dd", {}, says)]));
  // On a phone the score comes first: what is beyond the edge is what explains it.
  const phone = window.matchMedia("(max-width: 40rem)");
  const inOrder = () => (phone.matches ? [SCORE, ...COLUMNS.filter((column) => column !== SCORE)] : COLUMNS);
  phone.addEventListener("change", () => draw());
  const ceilings = new Map(entries.filter((e) => e.method === data.ceiling && e.from === "here").map((e) => [`${e.suite} ${e.dataset}`, e]));
  function share(e) {
    const real = ceilings.get(`${e.suite} ${e.dataset}`), metric = metricOf(e);
    if (!real || !real.scores[metric] || !e.scores[metric] || !(real.scores[metric][0] > 0) || lowerIsBetter(metric)) return null;
    return (100 * e.scores[metric][0]) / real.scores[metric][0];
  }
  function heads(table, columns, sorting) {
    const row = make("tr");
    for (const [key, title, , , kind = ""] of columns) {
      const head = make("th", { scope: "col", class: kind, title: sorting ? HELP[title] : null });
      if (sorting) {
        if (state.sort === key) head.setAttribute("aria-sort", state.down === "yes" ? "descending" : "ascending");
        head.append(make("button", { type: "button", onclick: () => { write({ sort: key, down: state.sort === key ? (state.down === "yes" ? "no" : "yes") : "yes" }); [...document.querySelectorAll("#table th button")].find((b) => b.textContent === title).focus(); } }, title));
      } else head.append(title);
      row.append(head);
    }
    table.tHead.replaceChildren(row);
  }
  function drawTable(rows) {
    const columns = inOrder();
    heads($("table"), columns, true);
    const column = COLUMNS.find(([key]) => key === state.sort) || SCORE;
    const sign = state.down === "yes" ? -1 : 1;
    const keyed = rows.map((e) => [column[2](e), e]);
    keyed.sort(([a, x], [b, y]) => {
      const none = (v) => v === null || v === undefined || v === "";
      if (none(a) || none(b)) return none(a) - none(b);  // what has no value comes last, whichever way
      return (a < b ? -sign : a > b ? sign : 0) || (x.id < y.id ? -1 : 1);
    });
    $("table").tBodies[0].replaceChildren(...keyed.slice(0, shown).map(([, e]) => make("tr", { "data-id": e.id, class: e.id === state.entry ? "chosen" : null }, columns.map(([, , , show, kind = ""]) => make("td", { class: kind || null }, show(e))))));
    const left = keyed.length - shown;
    $("more").hidden = left <= 0;
    $("more").textContent = `Show ${Math.min(PAGE, left)} more of ${left}`;
  }
  $("more").addEventListener("click", () => { shown += PAGE; drawTable(entries.filter((e) => passes(e))); });

  // Ranks over datasets of those that are on all of them. Where entries of ours are among the rows, the datasets are
  // theirs: what others report beside them takes no dataset in, and so no entrant out.
  // By efficacy, the default, an entrant stands by the mean of its ranks by every score of the vector that all have.
  function measuresOf(whole) {  // name, and how far an entry is off: less is better
    if (state.metric !== "primary") return [[state.metric, (e) => (lowerIsBetter(metricOf(e)) ? 1 : -1) * rankedOf(e)]];
    const off = (s) => (e) => { const found = e.scores[s.metrics[e.task]]; return found ? Math.max(0, s.lower ? found[0] - s.best : s.best - found[0]) : null; };
    return data.vector.map((s) => [s.name, off(s)]).filter(([, of]) => whole.every(([, m]) => [...m.values()].some((e) => of(e) !== null)));
  }
  function places(values) {  // ranks from 1, ties share the mean of theirs
    const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]), found = new Array(values.length);
    for (let i = 0; i < order.length;) {
      let j = i;
      while (j < order.length && values[order[j]] === values[order[i]]) j++;
      for (let k = i; k < j; k++) found[order[k]] = (i + j + 1) / 2;
      i = j;
    }
    return found;
  }
  function ranks(rows) {
    const scored = rows.filter((e) => rankedOf(e) !== null && !data.real.includes(e.method));
    const ours = scored.filter((e) => e.from === "here");
    const sets = [...new Set((ours.length ? ours : scored).map((e) => e.dataset))];
    const by = new Map();
    for (const e of rows) {
      if (rankedOf(e) === null || data.real.includes(e.method) || !sets.includes(e.dataset)) continue;
      if (!by.has(e.entrant)) by.set(e.entrant, new Map());
      by.get(e.entrant).set(e.dataset, e);
    }
    const whole = [...by].filter(([, m]) => m.size === sets.length);
    const found = new Map(whole.map(([name]) => [name, []]));
    const measures = measuresOf(whole);
    for (const set of sets) {
      const entries = whole.map(([, m]) => m.get(set));
      const ranked = measures.map(([, off]) => entries.map(off)).filter((values) => values.every((v) => v !== null)).map(places);
      const standing = entries.map((_, i) => mean(ranked.map((r) => r[i])));
      places(standing).forEach((place, i) => found.get(whole[i][0]).push(place));
    }
    const lines = [...found].map(([name, r]) => {
      const half = r.length > 1 ? (quantile(0.025, r.length - 1) * deviation(r)) / Math.sqrt(r.length) : null;
      return { name, rank: mean(r), half, best: Math.min(...r), worst: Math.max(...r) };
    });
    lines.sort((p, q) => p.rank - q.rank || (p.name < q.name ? -1 : 1));
    return { lines, sets, dropped: by.size - whole.length, measures: measures.map(([name]) => name) };
  }
  function drawRanks(rows) {
    const { lines, sets, dropped, measures } = ranks(rows);
    $("rank-note").textContent = lines.length === 0 ? "No entrant has this score on every dataset that passes the filters." :
      `Mean rank over ${sets.length} dataset${sets.length === 1 ? "" : "s"} that pass the filters, by ${measures.join(", ")}${measures.length === 1 ? " alone" : ", of which none ranks alone"}; 1 is best, with its 95 % t-interval over datasets; ` +
      `${lines.length} entrants with a score on all of them${dropped ? `, ${dropped} left out` : ""}. ` + (sets.length < 10 ? "So few datasets tell little apart." : "");
    heads($("ranks"), [["", "entrant"], ["", "mean rank", null, null, "number"], ["", "best", null, null, "number wide"], ["", "worst", null, null, "number wide"]], false);
    $("ranks").tBodies[0].replaceChildren(...lines.slice(0, shownRanks).map((l) => make("tr", {}, make("td", {}, l.name), make("td", { class: "number" }, l.rank.toFixed(2), l.half === null ? null : make("span", { class: "half" }, ` ± ${l.half.toFixed(2)}`)), make("td", { class: "number wide" }, String(l.best)), make("td", { class: "number wide" }, String(l.worst)))));
    $("more-ranks").hidden = lines.length <= shownRanks;
    $("more-ranks").textContent = `Show all ${lines.length}`;
  }
  $("more-ranks").addEventListener("click", () => { shownRanks = Infinity; drawRanks(entries.filter((e) => passes(e))); });

  // Budgets that are enough, by each score and by all.
  function drawEnough() {
    const rows = data.enough.filter((r) => ["suite", "dataset", "method", "sampler", "from"].every((f) => state[f] === "" || value(r, f) === state[f]));
    const there = data.vector.map((s) => s.name).filter((name) => rows.some((r) => !r.without.split(", ").includes(name)));
    const without = data.vector.map((s) => s.name).filter((name) => !there.includes(name));
    $("enough-note").textContent = rows.length === 0 ? "No network here was drawn from by ancestral." :
      `The least budget from which on a score is at most its margin worse than ancestral at all steps of the same network; enough is the largest. Margins: ${data.vector.filter((s) => there.includes(s.name)).map((s) => `${s.name} ${s.margin}`).join(", ")}.${without.length ? ` Nothing is claimed of ${without.join(", ")}: these records have none.` : ""}`;
    const show = (v) => (v === null ? "-" : String(v));
    heads($("enough"), [["", "dataset"], ["", "method"], ["", "sampler"], ["", "enough", null, null, "number"], ...there.map((name) => ["", name, null, null, "number wide"]), ["", "note", null, null, "wide"]], false);
    $("enough").tBodies[0].replaceChildren(...rows.slice(0, PAGE).map((r) => make("tr", {}, make("td", {}, r.dataset), make("td", {}, r.params === "default" ? r.method : `${r.method} ${r.params}`), make("td", {}, value(r, "sampler")), make("td", { class: "number" }, `${show(r.enough)} of ${r.full_steps}`), ...there.map((name) => make("td", { class: "number wide" }, r.without.split(", ").includes(name) ? "" : show(r[name]))), make("td", { class: "wide" }, r.note))));
  }

  // The plot.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => draw());
  const hue = (e) => { const c = data.colours[`${e.method} ${e.sampler || ""}`] || "#777777"; return c === "#000000" && dark.matches ? "#ffffff" : c; };
  function drawPlot(rows) {
    const set = state.plotted || [...new Set(rows.map((e) => e.dataset))].sort()[0];
    const cost = (e) => (state.x === "seconds" ? seconds(e) : e.nfe);
    const points = rows.filter((e) => e.dataset === set && !data.real.includes(e.method) && rankedOf(e) !== null && cost(e) > 0);
    const priceless = rows.filter((e) => e.dataset === set && !data.real.includes(e.method) && rankedOf(e) !== null && !(cost(e) > 0)).length;
    const metric = points.length ? metricOf(points[0]) : "";
    const down = lowerIsBetter(metric);
    $("plot-note").textContent = points.length ? `${set}: ${metric in data.expected ? `distance of ${metric} from what fresh rows have` : metric}${down ? " (lower is better)" : ""} against ${state.x === "seconds" ? "seconds to prepare and draw, measured beside other work" : "network evaluations a row"}. Ringed points on the line are beaten by none in both; those far off the best lie at the edge.${priceless ? ` Not drawn: ${priceless} that do not say their cost.` : ""}` : "Nothing to draw: no entry with a score and a cost passes the filters.";
    const box = $("plot");
    box.replaceChildren();
    if (!points.length) return;
    const W = Math.max(300, box.clientWidth), H = Math.min(460, Math.max(300, W * 0.6)), left = 52, right = 16, top = 14, bottom = 46;
    const xs = points.map((e) => Math.log10(cost(e))), ys = points.map(rankedOf);
    const sorted = [...ys].sort((a, b) => a - b), median = sorted[sorted.length >> 1];
    const bestY = down ? Math.min(...ys) : Math.max(...ys);
    const reach = Math.max(2.5 * Math.abs(bestY - median), 1e-6);  // what is farther off lies at the edge
    let lowY = down ? bestY : Math.max(Math.min(...ys), bestY - reach), highY = down ? Math.min(Math.max(...ys), bestY + reach) : bestY;
    const real = ceilings.get(`${points[0].suite} ${set}`), top1 = real ? offOf(real, metric) : null;
    if (top1 !== null && !down && Math.abs(top1 - bestY) < reach) highY = Math.max(highY, top1);
    const room = (highY - lowY || 1) * 0.06; lowY -= room; highY += room;
    const lowX = Math.min(...xs) - 0.1, highX = Math.max(...xs) + 0.1;
    const px = (v) => left + ((v - lowX) / (highX - lowX)) * (W - left - right);
    const py = (v) => top + (1 - (Math.min(Math.max(v, lowY), highY) - lowY) / (highY - lowY)) * (H - top - bottom);
    const svg = make("svg:svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": $("plot-note").textContent });
    for (let d = Math.floor(lowX); d <= Math.ceil(highX); d++) for (const k of W < 600 ? [1] : [1, 2, 5]) {
      const v = Math.log10(k) + d;
      if (v < lowX || v > highX) continue;
      svg.append(make("svg:line", { class: "rule", x1: px(v), x2: px(v), y1: top, y2: H - bottom }), make("svg:text", { x: px(v), y: H - bottom + 16, "text-anchor": "middle" }, String(+(k * 10 ** d).toPrecision(2))));
    }
    const step = 10 ** Math.floor(Math.log10((highY - lowY) / 3)), by = [1, 2, 5].map((k) => k * step).find((s) => (highY - lowY) / s < 7) || step * 10;
    for (let v = Math.ceil(lowY / by) * by; v <= highY; v += by) svg.append(make("svg:line", { class: "rule", x1: left, x2: W - right, y1: py(v), y2: py(v) }), make("svg:text", { x: left - 6, y: py(v) + 4, "text-anchor": "end" }, String(+v.toPrecision(3))));
    svg.append(make("svg:line", { class: "axis", x1: left, x2: W - right, y1: H - bottom, y2: H - bottom }), make("svg:text", { x: (W + left) / 2, y: H - 8, "text-anchor": "middle" }, state.x === "seconds" ? "seconds (log)" : "network evaluations a row (log)"));
    if (top1 !== null && top1 >= lowY && top1 <= highY) svg.append(make("svg:line", { class: "ceiling", x1: left, x2: W - right, y1: py(top1), y2: py(top1) }), make("svg:text", { x: W - right, y: py(top1) - 5, "text-anchor": "end" }, "real rows"));
    const sign = down ? -1 : 1;
    const beaten = (e) => points.some((o) => cost(o) <= cost(e) && sign * rankedOf(o) >= sign * rankedOf(e) && (cost(o) < cost(e) || sign * rankedOf(o) > sign * rankedOf(e)));
    const front = points.filter((e) => !beaten(e)).sort((a, b) => cost(a) - cost(b));
    svg.append(make("svg:path", { class: "front", d: front.map((e, i) => (i === 0 ? `M${px(Math.log10(cost(e)))} ${py(rankedOf(e))}` : `H${px(Math.log10(cost(e)))}V${py(rankedOf(e))}`)).join("") }));
    const tip = make("p", { id: "tip", "aria-live": "polite" }, "Point at, or step to, a point to read it; Enter opens it.");
    const say = (e) => { tip.textContent = `${e.entrant}: ${digits(rankedOf(e))} at ${digits(cost(e))} ${state.x === "seconds" ? "s" : "evaluations"}`; };
    for (const e of points) {
      svg.append(make("svg:circle", { cx: px(Math.log10(cost(e))), cy: py(rankedOf(e)), r: front.includes(e) ? 6.5 : 4.5, fill: hue(e), class: front.includes(e) ? "on-front" : null, tabindex: front.includes(e) ? 0 : -1, role: "link", "aria-label": `${e.entrant}, score ${digits(rankedOf(e))}`, "data-id": e.id, onmouseenter: () => say(e), onfocus: () => say(e), onclick: () => open(e.id), onkeydown: (event) => { if (event.key === "Enter") open(e.id); } }));
    }
    const seen = new Map(points.map((e) => [e.sampler ? `${e.method} ${e.sampler}` : e.method, hue(e)]));
    box.append(svg, tip, make("div", { id: "legend" }, [...seen].sort().map(([name, colour]) => { const dot = make("i"); dot.style.background = colour; return make("span", {}, dot, name); })));
  }

  // Two entrants beside each other.
  const words = { better: "is better than", worse: "is worse than", equal: `is equal within ${100 * data.margin} % to`, undecided: "is neither shown to differ from nor to equal" };
  function drawComparison(rows) {
    const box = $("compare-result");
    box.replaceChildren();
    if (!state.a || !state.b) { box.append(make("p", { class: "note" }, "Choose two entrants among those that pass the filters. Cells are paired by dataset and seeds; efficacy by CatBoost decides.")); return; }
    const first = rows.filter((e) => e.entrant === state.a), second = rows.filter((e) => e.entrant === state.b);
    const v = versus(first, second);
    if (v.says === undefined) box.append(make("p", { class: "verdict" }, `No verdict: two pairs of cells are needed, found ${v.pairs}.`));
    else {
      const tests = Number.isNaN(v.low) ? "no scatter: nothing can be tested" : `95 % interval ${v.low.toFixed(4)} .. ${v.high.toFixed(4)}; p = ${v.different.toPrecision(3)} that they are the same, p = ${v.equal.toPrecision(3)} that they differ by ${v.bound.toFixed(4)} or more`;
      const scope = v.over === "sampling seeds" ? " One training seed: this is of these two networks only, not of the two methods." : "";
      box.append(make("p", { class: "verdict", id: "verdict", "data-says": v.says, "data-over": v.over, "data-difference": v.difference, "data-different": v.different, "data-equal": v.equal, "data-low": v.low, "data-high": v.high },
        make("strong", {}, state.a), ` ${words[v.says]} `, make("strong", {}, state.b), `. Difference ${v.difference.toFixed(4)}, ${tests}; ${v.pairs} pairs on ${v.datasets} dataset${v.datasets === 1 ? "" : "s"}, the sample is ${v.size} ${v.over}.${scope}`));
    }
    const lines = [];
    for (const set of [...new Set([...first, ...second].map((e) => e.dataset))].sort()) {
      const a = first.find((e) => e.dataset === set), b = second.find((e) => e.dataset === set);
      const metrics = [...new Set([a, b].filter(Boolean).flatMap((e) => Object.keys(e.scores)))].sort();
      const cells = (name, show) => lines.push(make("tr", {}, make("td", {}, set), make("td", {}, name), ...[a, b].map((e) => make("td", { class: "number" }, e ? show(e) : ""))));
      for (const m of metrics) cells(m, (e) => interval(e, m));
      cells("seconds to draw", (e) => digits(seconds(e)));
      cells("network evaluations", (e) => (e.nfe === null ? "" : String(e.nfe)));
      cells("seconds to fit", (e) => digits(e.fit_s));
    }
    const table = make("table", { id: "beside" }, make("thead"), make("tbody", {}, lines));
    heads(table, [["", "dataset"], ["", "score"], ["", state.a, null, null, "number"], ["", state.b, null, null, "number"]], false);
    box.append(make("div", { class: "scroll" }, table));
  }

  // One entry.
  function list(object) {
    const node = make("dl");
    for (const [key, v] of Object.entries(object || {})) {
      const plain = v !== null && typeof v === "object" && !Array.isArray(v) ? Object.entries(v).map(([k, w]) => `${k} ${w === null ? "none" : typeof w === "object" ? JSON.stringify(w) : w}`).join(", ") : Array.isArray(v) ? v.join(", ") : v === null ? "none" : String(v);
      node.append(make("dt", {}, key), make("dd", {}, plain));
    }
    return node;
  }
  function drawEntry() {
    const e = byId.get(state.entry);
    $("entry").hidden = !e;
    if (!e) return;
    $("entry-title").textContent = `${e.entrant} on ${e.dataset}`;
    const link = make("a", { href: `#entry=${encodeURIComponent(e.id)}`, id: "permalink" }, "permalink");
    const scores = make("table", {}, make("thead"), make("tbody", {}, Object.entries(e.scores).map(([m, s]) => make("tr", {}, make("td", {}, m), make("td", { class: "number" }, digits(s[0])), make("td", { class: "number" }, s[1] === null ? "" : `${digits(s[1])} .. ${digits(s[2])}${ofOne(e)}`)))));
    heads(scores, [["", "score"], ["", "mean", null, null, "number"], ["", "95 % interval", null, null, "number"]], false);
    $("entry-body").replaceChildren(
      make("p", {}, link, " ", make("button", { type: "button", onclick: () => write({ a: e.entrant }) }, "Compare as first"), " ", make("button", { type: "button", onclick: () => write({ b: e.entrant }) }, "Compare as second"), " ", make("button", { type: "button", onclick: () => write({ entry: "" }) }, "Close")),
      make("p", {}, ...status(e), e.mark ? ` ${e.mark}` : null, e.reason ? make("span", { class: "bad" }, ` ${e.reason}`) : null),
      ...e.again.map((text) => make("p", {}, text)),
      make("h3", {}, "Scores"), make("div", { class: "scroll" }, scores),
      make("h3", {}, "Cost"), list({ "network evaluations a row": e.nfe ?? "none", "rows": e.rows ?? "", "seconds to fit": digits(e.fit_s), "to prepare": digits(e.prepare_s), "to draw": digits(e.sample_s) }),
      make("h3", {}, "Seeds"), list({ training: e.seeds[0], sampling: e.seeds[1], evaluator: e.seeds[2], cells: e.cells }),
      make("h3", {}, "Settings"), list(data.settings[e.settings]),
      make("h3", {}, "Environment"), list({ ...data.environments[e.env], commit: e.commit, made: e.created }),
      ...(e.failures.length ? [make("h3", {}, "Failures"), make("ul", {}, e.failures.map((f) => make("li", {}, f)))] : []),
    );
  }
  function open(id) { write({ entry: id }, true); $("entry").scrollIntoView(); $("entry").focus({ preventScroll: true }); }

  function draw() {
    const rows = entries.filter((e) => passes(e));
    drawControls(rows);
    const failed = rows.filter((e) => e.status !== "ok").length;
    $("count").textContent = `${rows.length} of ${entries.length} entries${failed ? `, ${failed} of them not complete` : ""}`;
    drawRanks(rows); drawEnough(); drawPlot(rows); drawTable(rows); drawComparison(rows); drawEntry();
  }
  $("about").textContent = data.about;
  $("made").textContent = data.made;
  $("reading").textContent = data.reading;
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (width !== window.innerWidth) { width = window.innerWidth; drawPlot(entries.filter((e) => passes(e))); } });
  function follow() { read(); draw(); if (state.entry && byId.has(state.entry)) { $("entry").scrollIntoView(); $("entry").focus({ preventScroll: true }); } }
  window.addEventListener("hashchange", follow);
  window.addEventListener("popstate", follow);
  follow();
  window.tabstep = { versus, ranks: () => ranks(entries.filter((e) => passes(e))), entries, ready: performance.now() };
})();
