// The matrix page: loads the cells, and keeps the tools, the table and the address telling the same.

import { Matrix, arrange, asCsv, asJson } from "./model.js";
import { format, parse } from "./state.js";
import { Table } from "./table.js";

const live = document.getElementById("matrix-live");
const root = new URL("../../", import.meta.url);
const field = (name) => live.querySelector(`[name=${name}]`);
const number = new Intl.NumberFormat("en").format;
const grouped = (value) => number(value).replaceAll(",", "\u202f");
const plural = (value, word) => `${grouped(value)} ${word}${value === 1 ? "" : "s"}`;

export async function start() {
  const { covatlas } = window;
  const [cells, names] = await Promise.all([
    fetched("data/cells.json"),
    covatlas.load("vendor/sha256.js", "names.js").then(() => covatlas.names.load()),
  ]);
  const matrix = new Matrix(cells, names, covatlas.names.page);
  let state = parse(location.search);
  let view;

  const fill = (select, values) => values.forEach((value) => select.add(new Option(value, value)));
  fill(field("package"), ancestors(matrix.packages));
  for (const name of ["a", "b"]) fill(field(name), matrix.profiles);

  live.hidden = false;
  document.getElementById("matrix-tools").open = live.clientWidth > 700 || format({ ...state, open: [] }) !== "";

  const table = new Table(live.querySelector(".cv-mx"), matrix, {
    address: (path) => new URL(path, root).href,
    open: (path) => location.assign(new URL(path, root)),
    sort: (key) => change({ sort: nextSort(key, state.sort) }),
    toggle: (name) => {
      const open = state.open === "all" ? view.groups.map((group) => group.name) : state.open;
      change({ open: open.includes(name) ? open.filter((other) => other !== name) : [...open, name] });
    },
    told: (cell) => tell(cell),
  });

  async function change(more, push = false) {
    state = { ...state, ...more };
    const address = `${location.pathname}${format(state)}${location.hash}`;
    if (push) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    await render();
  }

  async function render() {
    view = arrange(matrix, state);
    for (const name of ["q", "package", "certainty", "show", "profiles", "a", "b", "group"]) {
      if (field(name).value !== state[name]) field(name).value = state[name];
    }
    const count = view.groups.length ? ` in ${plural(view.groups.length, state.group)}` : "";
    live.querySelector(".cv-mx-count").textContent =
      `${grouped(view.shown.length)} of ${plural(matrix.size, "symbol")}${count} × ${plural(view.visible.length, "profile")}`;
    live.querySelector(".cv-mx-none").hidden = view.rows.length > 0;
    live.querySelector("[data-do=open]").hidden = state.group === "none";
    live.querySelector("[data-do=open]").textContent = state.open === "all" ? "Close all" : "Open all";
    showComparison();
    await table.show(view, state);
  }

  function showComparison() {
    const part = live.querySelector(".cv-mx-only");
    part.hidden = !view.compared;
    if (!view.compared) return;
    const names = { "": "either", a: `only ${state.a}`, both: "both", b: `only ${state.b}` };
    for (const button of part.querySelectorAll("button")) {
      const key = button.value;
      button.textContent = `${names[key]}: ${grouped(view.compared[key].length)}`;
      button.setAttribute("aria-pressed", state.only === key);
    }
  }

  function tell(cell) {
    const part = live.querySelector(".cv-mx-told");
    part.replaceChildren(link(cell.path, cell.name));
    if (cell.slug) part.append(" × ", link(`profiles/${cell.slug}.html`, cell.slug));
    part.append(`: ${cell.words}`);
  }

  function link(path, text) {
    const made = document.createElement(path ? "a" : "span");
    if (path) made.href = new URL(path, root).href;
    made.textContent = text;
    return made;
  }

  function save(name, type, text) {
    const made = document.createElement("a");
    made.href = URL.createObjectURL(new Blob([text], { type }));
    made.download = name;
    made.click();
    setTimeout(() => URL.revokeObjectURL(made.href), 10000);
  }

  const actions = {
    open: () => change({ open: state.open === "all" ? [] : "all" }),
    reset: () => change(parse("")),
    csv: () => save("matrix.csv", "text/csv", asCsv(matrix, view.shown, view.visible)),
    json: () => save("matrix.json", "application/json", asJson(matrix, view.shown, view.visible)),
  };
  live.addEventListener("input", ({ target }) => {
    if (target.name) change({ [target.name]: target.value, ...(/^[ab]$/.test(target.name) ? { only: "" } : {}) });
  });
  live.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.do) actions[button.dataset.do]();
    else if (button?.closest(".cv-mx-only")) change({ only: button.value });
  });
  live.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("popstate", () => {
    state = parse(location.search);
    render();
  });
  await render();
  live.dataset.ready = "true";
}

async function fetched(path) {
  const answer = await fetch(new URL(path, root), { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// The largest first, names from a; once more turns it, and once more is the order of the source.
function nextSort(key, sort) {
  const ways = key === "name" ? [key, `-${key}`, ""] : [`-${key}`, key, ""];
  return ways[(ways.indexOf(sort) + 1) % 3];
}

// Packages and everything above them.
function ancestors(packages) {
  const found = new Set();
  for (const name of packages) {
    const parts = name.split(".");
    parts.forEach((_, index) => found.add(parts.slice(0, index + 1).join(".")));
  }
  return [...found].filter(Boolean).sort();
}
