// On a symbol's or module's page: which profiles run a line (asked by its number), only one profile's lines, the
// requests and jobs that reach the symbol, and buttons to copy. From data/modules/<module>.json.
(() => {
  "use strict";
  const { base } = window.covatlas;
  const source = document.querySelector(".cv-src");
  const twin = document.querySelector("a[data-covatlas-lines]");
  const id = twin?.dataset.covatlasLines;
  const slugs = [...document.querySelectorAll("#profiles + .cv-scroll tbody td:first-child code")].map((code) => code.textContent);
  const served = location.protocol !== "file:";
  let known;

  function data() {
    known ??= fetch(twin.href).then((answer) => {
      if (!answer.ok) throw new Error(`${answer.status}`);
      return answer.json();
    });
    known.catch(() => (known = undefined));
    return known;
  }

  function make(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  const profile = (slug) => make("a", { href: `${base}profiles/${slug}.html`, textContent: slug });
  const runs = (ranges, line) => ranges.some(([first, last]) => first <= line && line <= last);
  const lineOf = (row) => Number(row.id.slice(1));

  // ── who runs a line ──

  async function who(row, number) {
    const below = row.nextElementSibling;
    if (below?.matches(".lw")) {
      below.remove();
      number.ariaExpanded = "false";
      return;
    }
    const note = make("span", {}, "…");
    row.after(make("span", { className: "lw", role: "status" }, note, "\n"));
    number.ariaExpanded = "true";
    try {
      const { executed } = await data();
      const found = Object.keys(executed).filter((slug) => runs(executed[slug], lineOf(row)));
      note.replaceChildren(found.length === 1 ? "only " : `${found.length} profiles: `);
      found.forEach((slug, at) => note.append(at ? ", " : "", profile(slug)));
    } catch {
      note.textContent = "The list of profiles cannot be loaded.";
    }
  }

  function lines() {
    for (const number of source.querySelectorAll(".lx > a:first-child")) number.ariaExpanded = "false";
    source.addEventListener("click", (event) => {
      const number = event.target.closest(".lx > a:first-child");
      if (number) who(number.parentElement, number);
    });
  }

  // ── one profile's lines ──

  function only() {
    const chosen = make("select", {}, make("option", { value: "", textContent: "all profiles" }));
    chosen.append(...slugs.map((slug) => make("option", { value: slug, textContent: slug })));
    chosen.addEventListener("change", () => show(chosen.value));
    document.querySelector(".cv-key").append(make("label", { className: "cv-only" }, " Lines of ", chosen));
  }

  async function show(slug) {
    const executed = slug && (await data()).executed[slug];
    for (const row of source.querySelectorAll(".lx")) {
      const mark = row.querySelector("i");
      const other = Boolean(slug) && mark !== null && !runs(executed ?? [], lineOf(row));
      row.classList.toggle("lo", other);
      if (mark) {
        mark.dataset.mark ??= mark.textContent;
        mark.textContent = other ? "○" : slug ? "✓" : mark.dataset.mark;
      }
    }
  }

  // ── requests and jobs ──

  function ways() {
    const list = make("div", {}, "…");
    const fold = make("details", { className: "cv-more" }, make("summary", { textContent: "Requests and jobs that reach it" }), list);
    fold.addEventListener("toggle", async () => {
      if (!fold.open || list.childElementCount) return;
      try {
        const made = await data();
        const index = made.symbols.indexOf(id);
        const found = made.ways.filter((way) => way.symbols.includes(index));
        list.replaceChildren(found.length ? make("ul", {}, ...found.map(wayItem)) : "None that the run records name.");
      } catch {
        list.textContent = "The list cannot be loaded.";
      }
    });
    document.querySelector("#profiles ~ .cv-more").after(fold);
  }

  function wayItem(way) {
    const name = way.method ? `${way.method} ${way.target}` : "outside the recorded requests";
    const item = make("li", {}, profile(way.profile), " ");
    if (way.job) item.append("job ", make("code", { textContent: way.job }), " of ");
    item.append(make("code", { textContent: name }));
    if (way.count > 1) item.append(` (${way.count} times)`);
    if (way.request) item.append(`, first in request ${way.request}`);
    return item;
  }

  // ── to copy ──

  function copier(label, text) {
    const button = make("button", { type: "button", className: "cv-copy", textContent: label });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text());
        button.textContent = "Copied";
      } catch {
        button.textContent = "Cannot copy here";
      }
      setTimeout(() => (button.textContent = label), 2000);
    });
    return button;
  }

  const address = () => document.querySelector("link[rel=canonical]")?.href ?? location.href.split(/[?#]/)[0];
  document.querySelector(".cv-linked").append(" ", copier("Copy link", address));
  for (const command of document.querySelectorAll(".cv-cmd")) {
    command.after(copier("Copy", () => command.textContent));
  }
  if (served && twin) {
    lines();
    if (slugs.length) ways();
    if (slugs.length > 1) only();
  }
})();
