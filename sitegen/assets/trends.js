// trends/: what was lost and gained since a chosen night, from the records after it (data/history.json).
(() => {
  "use strict";
  const { base, names } = window.covatlas;
  const form = document.querySelector("[data-covatlas-trends]");
  const said = form.querySelector("output");
  const select = form.elements.since;
  const lists = Object.fromEntries(["lost", "gained"].map((kind) =>
    [kind, document.querySelector(`[data-covatlas-changes=${kind}]`)]));

  // A symbol's first change after the chosen night tells how it was then, its last one how it is now.
  function changes(nights) {
    const first = new Map();
    const last = new Map();
    let unnamed = 0;
    for (const night of nights) {
      unnamed += night.more[0] + night.more[1];
      for (const kind of ["lost", "gained"]) {
        for (const name of night[kind]) {
          if (!first.has(name)) first.set(name, kind);
          last.set(name, kind);
        }
      }
    }
    const of = (kind) => [...last].filter(([name, now]) => now === kind && first.get(name) === kind)
      .map(([name]) => name).sort();
    return { lost: of("lost"), gained: of("gained"), unnamed };
  }

  function fill(list, found, kinds) {
    list.replaceChildren(...(found.length ? found : [null]).map((name) => {
      const item = document.createElement("li");
      if (name === null) {
        item.textContent = "None";
        return item;
      }
      const code = document.createElement("code");
      code.textContent = name;
      if (kinds.has(name)) {
        const link = document.createElement("a");
        link.href = base + names.page(name, kinds.get(name));
        link.append(code);
        item.append(link);
      } else {
        item.append(code, " no longer in the source");
      }
      return item;
    }));
  }

  async function start() {
    const answer = await fetch(`${base}data/history.json`);
    const { nights } = await answer.json();
    const { ids, kinds } = await names.load();
    const known = new Map(ids.map((id, index) => [id, kinds[index]]));
    nights.slice(0, -1).forEach((night, index) => {
      select.prepend(new Option(night.night.slice(0, 16).replace("T", " ") || "unknown", String(index)));
    });
    if (nights.length < 2) return;
    select.selectedIndex = 0;
    form.hidden = false;
    select.addEventListener("change", () => {
      const { lost, gained, unnamed } = changes(nights.slice(Number(select.value) + 1));
      fill(lists.lost, lost, known);
      fill(lists.gained, gained, known);
      said.textContent = `${lost.length} lost, ${gained.length} gained`
        + (unnamed ? `, and ${unnamed} changes that the records only count` : "");
    });
  }

  start().catch(() => {});
})();
