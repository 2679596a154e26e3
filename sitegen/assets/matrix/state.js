// What the page shows ↔ its address, so that every view can be linked.

const DEFAULTS = {
  q: "", // words of a symbol's name
  package: "", // and those below it
  certainty: "", // symbols with such a cell
  show: "", // "covered" or "gap"
  profiles: "", // words of a profile's slug
  a: "", // the profiles that are compared
  b: "",
  only: "", // of a comparison: "a", "both" or "b"
  group: "module", // "none", "module" or "package"
  open: [], // names of open groups, or "all"
  sort: "",
};
const CHOICES = {
  certainty: ["body", "import-only", "failed", "stale"],
  show: ["covered", "gap"],
  only: ["a", "both", "b"],
  group: ["none", "module", "package"],
};

// Returns the state that a query string names; what it does not name, or names wrongly, is as it is at first.
export function parse(search) {
  const query = new URLSearchParams(search);
  const state = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS)) {
    if (key === "open") continue;
    const value = query.get(key);
    if (value !== null && (!CHOICES[key] || CHOICES[key].includes(value))) state[key] = value;
  }
  const open = query.getAll("open");
  state.open = open.includes("*") ? "all" : open;
  return state;
}

// Returns the shortest query string that names a state, "" for the first one.
export function format(state) {
  const query = new URLSearchParams();
  for (const [key, first] of Object.entries(DEFAULTS)) {
    if (key === "open") (state.open === "all" ? ["*"] : state.open).forEach((name) => query.append("open", name));
    else if (state[key] !== first) query.set(key, state[key]);
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}
