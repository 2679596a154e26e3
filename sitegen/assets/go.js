// go/?path=…&line=… and go/?symbol=…: leads to the page of the symbol that is there, or says why it cannot.
(() => {
  "use strict";
  const { base, names } = window.covatlas;
  const status = document.querySelector("[data-covatlas-go]");
  const list = document.getElementById("cv-go-list");
  const asked = new URLSearchParams(location.search);

  function say(text, links = []) {
    status.textContent = text;
    list.replaceChildren(...links.slice(0, 50).map(([href, name]) => {
      const link = Object.assign(document.createElement("a"), { href, textContent: name });
      const item = document.createElement("li");
      item.append(link);
      return item;
    }));
  }

  const away = (page) => location.replace(base + page);

  // The file that is meant: by its whole path, by one that begins further up, by one that begins further down.
  // The same as sitegen/link.py.
  function filesOf(files, given) {
    const wanted = given.replaceAll("\\", "/").replace(/^(?:\.?\/)+/, "");
    const exact = files.filter(({ path }) => path === wanted);
    if (exact.length) return exact;
    const below = files.filter(({ path }) => wanted.endsWith(`/${path}`));
    if (below.length) return [below.reduce((best, file) => (file.path.length > best.path.length ? file : best))];
    return files.filter(({ path }) => path.endsWith(`/${wanted}`));
  }

  async function byPath(given, line) {
    const { ids, kinds, files } = await names.load();
    const found = filesOf(files, given);
    if (found.length > 1) {
      const again = (path) => `?${new URLSearchParams({ path, ...(line === null ? {} : { line }) })}`;
      return say(`${found.length} files end in ${given}. Which one?`, found.map(({ path }) => [again(path), path]));
    }
    if (!found.length) {
      const leaf = given.split(/[\\/]/).pop();
      const alike = files.filter(({ path }) => path.split("/").pop() === leaf);
      return say(`This map has no file ${given}.${alike.length ? " It has these of the same name:" : ""}`,
        alike.map(({ path, start }) => [base + names.page(ids[start], "module"), path]));
    }
    const [{ path, start, end }] = found;
    const module = names.page(ids[start], "module");
    if (line === null) return away(module);
    const to = [[base + module, path]];
    if (!/^[1-9][0-9]{0,8}$/.test(line)) return say(`“${line}” is no line. The file itself:`, to);
    const { lines, spans } = (await names.loadPlaces()).get(path) ?? { lines: 0, spans: [] };
    if (spans.length !== end - start - 1) return say("The map is being published just now; try again in a minute.", to);
    if (Number(line) > lines) return say(`${path} has ${lines} lines in this map, so line ${line} is not there. The file itself:`, to);
    let inner = start; // symbols stand in source order, so the last that holds the line is the innermost
    spans.forEach(([first, last], index) => {
      if (first <= line && line <= last) inner = start + 1 + index;
    });
    away(`${names.page(ids[inner], kinds[inner])}#L${line}`);
  }

  async function bySymbol(given) {
    const { ids, kinds } = await names.load();
    const known = (test) => ids.flatMap((id, index) => (kinds[index] !== "profile" && test(id) ? [index] : []));
    const lower = given.toLowerCase();
    const ways = [
      (id) => id === given,
      (id) => id.endsWith(`.${given}`),
      (id) => `.${id.toLowerCase()}`.endsWith(`.${lower}`),
    ];
    for (const way of ways) {
      const found = known(way);
      if (found.length === 1) return away(names.page(ids[found[0]], kinds[found[0]]));
      if (found.length) {
        return say(`${found.length} symbols are named ${given}. Which one?`,
          found.map((index) => [base + names.page(ids[index], kinds[index]), ids[index]]));
      }
    }
    const gone = await fetch(`${base}data/gone.json`).then((answer) => answer.json());
    const left = gone.symbols.find(({ id }) => id === given);
    if (left) return away(names.page(left.id, left.kind));
    say(`This map has no symbol ${given}.`);
    const find = Object.assign(document.createElement("button"), { type: "button", className: "cv-button", textContent: "Find one like it" });
    find.addEventListener("click", () => window.covatlas.find(given.split(".").slice(-2).join(".")));
    status.append(" ", find);
  }

  function start() {
    const path = asked.get("path")?.trim();
    const symbol = asked.get("symbol")?.trim();
    for (const field of document.querySelectorAll(".cv-go input")) field.value = asked.get(field.name) ?? "";
    if (!path && !symbol) return say("Name a file and a line, or a symbol.");
    if (location.protocol === "file:") return say("This needs a server: open the map over HTTP, as covatlas serve shows it.");
    const work = path ? byPath(path, asked.get("line")?.trim() || null) : bySymbol(symbol);
    work.catch(() => say("The names of this map cannot be loaded; try again later."));
  }

  start();
})();
