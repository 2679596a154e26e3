// data/cells.json and data/names.json → columns of cells; which rows a state of the page shows, in which order, and as which file.

const CODES = { ".": 0, b: 1, i: 2, f: 3, s: 4 };
export const CERTAINTIES = ["none", "body", "import-only", "failed", "stale"];
const RANK = [0, 4, 1, 2, 3]; // sorted by a profile: the surest cells first

export class Matrix {
  // `cells` is data/cells.json; `names` what assets/names.js makes of data/names.json, `page` gives a symbol's path.
  constructor(cells, names, page) {
    this.schema = cells.schema;
    this.profiles = cells.profiles;
    this.status = cells.status;
    this.states = cells.states;
    this.lines = cells.lines;
    this.size = cells.states.length;
    this.ids = names.ids.slice(0, this.size);
    this.kinds = names.kinds;
    this.page = page;
    const files = names.files;
    if ((files.at(-1)?.end ?? 0) !== this.size) throw new Error("the map is being published just now");
    this.starts = files.map((file) => file.start);
    this.moduleOf = new Uint32Array(this.size);
    files.forEach((file, number) => this.moduleOf.fill(number, file.start, file.end));
    const folders = files.map((file) => file.path.split("/").slice(0, -1).join("."));
    this.packages = [...new Set(folders)].sort();
    const numbers = new Map(this.packages.map((name, number) => [name, number]));
    this.packageOf = Uint32Array.from(this.moduleOf, (module) => numbers.get(folders[module]));
    this.columns = cells.cells.map((runs) => decode(runs, this.size));
    this.counts = new Uint32Array(this.size); // profiles that cover a symbol
    for (const column of this.columns) {
      for (let row = 0; row < this.size; row++) if (column[row] === 1) this.counts[row]++;
    }
    this.lowered = null;
  }

  // The path of a symbol's page from the root of the site.
  path(row) {
    return this.page(this.ids[row], this.kinds[row]);
  }

  // The name of a symbol below its module, the module's own for the module.
  shortName(row) {
    const module = `${this.ids[this.starts[this.moduleOf[row]]]}.`;
    return this.ids[row].startsWith(module) ? this.ids[row].slice(module.length) : this.ids[row];
  }

  // Which columns are shown: those of the compared profiles, else those whose slug holds every word.
  visible(state) {
    const pair = [state.a, state.b].filter((slug) => this.profiles.includes(slug));
    if (pair.length) return [...new Set(pair)].map((slug) => this.profiles.indexOf(slug));
    const words = wordsOf(state.profiles);
    return [...this.profiles.keys()].filter((index) => words.every((word) => this.profiles[index].includes(word)));
  }

  // Returns the symbols that pass every filter but the comparison, in source order.
  filtered(state, visible) {
    const words = wordsOf(state.q);
    if (words.length) this.lowered ??= this.ids.map((id) => id.toLowerCase());
    const wanted = { covered: "c", gap: "g" }[state.show];
    const code = CERTAINTIES.indexOf(state.certainty);
    const inside = this.packages.map((name) => !state.package || `${name}.`.startsWith(`${state.package}.`));
    const found = [];
    for (let row = 0; row < this.size; row++) {
      if (wanted && this.states[row] !== wanted) continue;
      if (!inside[this.packageOf[row]]) continue;
      if (words.length && !words.every((word) => this.lowered[row].includes(word))) continue;
      if (code > 0 && !visible.some((index) => this.columns[index][row] === code)) continue;
      found.push(row);
    }
    return found;
  }

  // Returns the rows that either profile covers, only A, both and only B; null where two are not compared.
  compared(state, rows) {
    const [a, b] = [state.a, state.b].map((slug) => this.columns[this.profiles.indexOf(slug)]);
    if (!a || !b || a === b) return null;
    return {
      "": rows.filter((row) => a[row] === 1 || b[row] === 1),
      a: rows.filter((row) => a[row] === 1 && b[row] !== 1),
      both: rows.filter((row) => a[row] === 1 && b[row] === 1),
      b: rows.filter((row) => b[row] === 1 && a[row] !== 1),
    };
  }
}

function decode(runs, size) {
  const column = new Uint8Array(size);
  let row = 0;
  for (const [, letter, length] of runs.matchAll(/([.bifs])(\d*)/g)) {
    const end = row + (length ? Number(length) : 1);
    if (letter !== ".") column.fill(CODES[letter], row, end);
    row = end;
  }
  return column;
}

function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

// ── groups and order ──

// Returns { rows, groups, shown, visible, compared }: `rows` are what the table shows (a symbol, or -1 - group),
// `shown` the symbols that pass, in the order of the export.
export function arrange(matrix, state) {
  const visible = matrix.visible(state);
  let shown = matrix.filtered(state, visible);
  const compared = matrix.compared(state, shown);
  if (compared) shown = compared[state.only];
  const order = symbolOrder(matrix, state.sort);
  if (order) shown = shown.slice().sort(order);
  if (state.group === "none") return { rows: shown, groups: [], shown, visible, compared };
  const groups = grouped(matrix, state.group, shown);
  const by = groupOrder(matrix, state.sort);
  if (by) groups.sort(by);
  const rows = [];
  groups.forEach((group, number) => {
    rows.push(-1 - number);
    group.isOpen = state.open === "all" || state.open.includes(group.name);
    if (group.isOpen) for (const row of group.rows) rows.push(row);
  });
  return { rows, groups, shown: groups.flatMap((group) => group.rows), visible, compared };
}

// Groups in source order: name, rows, and how many of them each profile covers.
function grouped(matrix, kind, shown) {
  const of = kind === "package" ? matrix.packageOf : matrix.moduleOf;
  const found = new Map();
  for (const row of shown) {
    let group = found.get(of[row]);
    if (!group) {
      const module = matrix.starts[of[row]];
      const name = kind === "package" ? matrix.packages[of[row]] : matrix.ids[module];
      const page = kind === "package" ? null : matrix.path(module);
      group = { name, page, rows: [], total: 0, covered: 0, lines: 0, counts: new Uint32Array(matrix.profiles.length) };
      found.set(of[row], group);
    }
    group.rows.push(row);
    if (matrix.states[row] !== "e") group.total++;
    if (matrix.states[row] === "c") group.covered++;
    if (row === matrix.starts[matrix.moduleOf[row]]) group.lines += matrix.lines[row];
  }
  const groups = [...found.values()];
  matrix.columns.forEach((column, index) => {
    for (const group of groups) {
      let count = 0;
      for (const row of group.rows) if (column[row] === 1) count++;
      group.counts[index] = count;
    }
  });
  for (const group of groups) group.profiles = group.counts.reduce((sum, count) => sum + (count > 0), 0);
  return groups;
}

// A sort is "" (source order) or a key, after "-" from the largest: name, symbols, profiles, lines or ":<slug>".
function symbolOrder(matrix, sort) {
  const [sign, key] = signed(sort);
  if (!key) return null;
  if (key === "name") return (x, y) => sign * compareText(matrix.ids[x], matrix.ids[y]) || x - y;
  const column = key[0] === ":" ? matrix.columns[matrix.profiles.indexOf(key.slice(1))] : null;
  if (key[0] === ":" && !column) return null;
  const value = column
    ? (row) => RANK[column[row]]
    : { lines: (row) => matrix.lines[row], profiles: (row) => matrix.counts[row] }[key];
  return value ? (x, y) => sign * (value(x) - value(y)) || x - y : null;
}

function groupOrder(matrix, sort) {
  const [sign, key] = signed(sort);
  if (!key) return null;
  if (key === "name") return (x, y) => sign * compareText(x.name, y.name);
  const index = matrix.profiles.indexOf(key.slice(1));
  if (key[0] === ":" && index < 0) return null;
  const value =
    key[0] === ":"
      ? (group) => (group.total ? group.counts[index] / group.total : 0)
      : {
          lines: (group) => group.lines,
          profiles: (group) => group.profiles,
          symbols: (group) => (group.total ? group.covered / group.total : 0),
        }[key];
  return value ? (x, y) => sign * (value(x) - value(y)) || compareText(x.name, y.name) : null;
}

function signed(sort) {
  return sort[0] === "-" ? [-1, sort.slice(1)] : [1, sort];
}

function compareText(x, y) {
  return x < y ? -1 : x > y ? 1 : 0;
}

// ── files ──

// What is shown, as data/matrix.json has the whole.
export function asJson(matrix, shown, visible) {
  const position = new Map(shown.map((row, index) => [row, index]));
  const profiles = visible.map((index) => matrix.profiles[index]);
  const covered = {};
  const certainty = {};
  const coveredBy = Object.fromEntries(shown.map((row) => [matrix.ids[row], []]));
  for (const index of visible) {
    const slug = matrix.profiles[index];
    covered[slug] = [];
    certainty[slug] = {};
    for (const row of shown) {
      const code = matrix.columns[index][row];
      if (code === 1) {
        covered[slug].push(position.get(row));
        coveredBy[matrix.ids[row]].push(slug);
      } else if (code) certainty[slug][position.get(row)] = CERTAINTIES[code];
    }
  }
  const status = Object.fromEntries(profiles.map((slug) => [slug, matrix.status[slug]]));
  const symbols = shown.map((row) => matrix.ids[row]);
  return JSON.stringify({ certainty, covered, covered_by: coveredBy, profiles, schema: matrix.schema, status, symbols });
}

// What is shown, as data/matrix.csv has the whole.
export function asCsv(matrix, shown, visible) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [["symbol", ...visible.map((index) => matrix.profiles[index])]];
  for (const row of shown) {
    const cells = visible.map((index) => {
      const code = matrix.columns[index][row];
      return code ? CERTAINTIES[code] : "";
    });
    lines.push([quoted(matrix.ids[row]), ...cells]);
  }
  return lines.map((line) => `${line.join(",")}\n`).join("");
}
