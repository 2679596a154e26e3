// Every symbol's name, kind, page and place, from data/names.json and data/places.json; loaded when somebody asks.
(() => {
  "use strict";
  const { base } = window.covatlas;
  const KINDS = { c: "class", f: "function", m: "method", p: "property" };
  const PLAIN = /^[a-z0-9_]+(?:\.[a-z0-9_]+)*$/;
  const DEVICE = /^(?:con|prn|aux|nul|(?:com|lpt)[0-9])$/i;
  const MAX_LENGTH = 120;

  // The same as sitegen/address.py; tests/test_finder.py compares them.
  function stem(id) {
    const parts = id.split(".");
    const reserved = id === "index" || parts.some((part) => DEVICE.test(part));
    if (!reserved && id.length <= MAX_LENGTH && PLAIN.test(id)) return id;
    const safe = parts.map((part) => {
      const cleaned = part.replace(/[^A-Za-z0-9_.-]/gu, "_");
      return !cleaned || DEVICE.test(cleaned) ? `_${cleaned}` : cleaned;
    });
    return `${safe.join(".").slice(0, MAX_LENGTH - 9)}-${window.sha256(id).slice(0, 8)}`;
  }

  function page(id, kind) {
    if (kind === "profile") return `profiles/${id}.html`;
    return `${kind === "module" ? "modules" : "symbols"}/${stem(id)}.html`;
  }

  async function fetched(name) {
    const answer = await fetch(`${base}data/${name}`, { cache: "no-cache" });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    const value = await answer.json();
    if (value.schema !== 1) throw new Error(`${name}: another schema`);
    return value;
  }

  let names, places;

  // → {ids, kinds, files: [{path, start, end}]}: symbols in source order, each file's module first, profiles last.
  function load() {
    names ??= fetched("names.json").then((value) => {
      const ids = [];
      const kinds = [];
      const files = value.files.map(([path, module, text]) => {
        const start = ids.length;
        const around = [module];
        ids.push(module);
        kinds.push("module");
        for (const line of text ? text.split("\n") : []) {
          const depth = line.search(/\S/);
          const id = around[depth] + line.slice(depth + 1);
          around[depth + 1] = id;
          ids.push(id);
          kinds.push(KINDS[line[depth]]);
        }
        return { path, start, end: ids.length };
      });
      for (const slug of value.profiles) {
        ids.push(slug);
        kinds.push("profile");
      }
      return { ids, kinds, files };
    });
    names.catch(() => (names = undefined)); // who asks again may be luckier
    return names;
  }

  // → path → {lines, spans: [[first, last] of each symbol but the module]}
  function loadPlaces() {
    places ??= fetched("places.json").then((value) => {
      const found = new Map();
      for (const [path, lines, numbers] of value.files) {
        const spans = [];
        let first = 1;
        for (let at = 0; at < numbers.length; at += 2) {
          first += numbers[at];
          spans.push([first, first + numbers[at + 1]]);
        }
        found.set(path, { lines, spans });
      }
      return found;
    });
    places.catch(() => (places = undefined));
    return places;
  }

  Object.assign(window.covatlas, { names: { load, loadPlaces, page } });
})();
