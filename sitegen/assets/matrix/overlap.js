// The overlap's heat map: says on demand how alike profiles are, or how many symbols they share, from data/overlap.json.
(() => {
  "use strict";
  const { base } = window.covatlas;
  const STEPS = 9;
  const SAYS = {
    contained: "Each cell: how many percent of the row's symbols the column's profile covers too.",
    jaccard: "Each cell: of the symbols that either profile covers, how many percent both do.",
    shared: "Each cell: how many symbols both profiles cover.",
  };
  const tools = document.getElementById("overlap-tools");
  const rows = [...document.querySelectorAll("#overlap-map tbody tr")];
  const slugs = rows.map((row) => row.cells[0].textContent);
  let data;

  const step = (part, whole) => (!part ? 0 : part >= whole ? STEPS : Math.min(STEPS - 1, 1 + Math.floor((part * (STEPS - 1)) / whole)));
  const hundredths = (part, whole) => (!part ? 0 : part === whole ? 100 : Math.min(99, Math.max(1, Math.floor((200 * part + whole) / (2 * whole)))));

  async function show(kind) {
    data ??= fetch(`${base}data/overlap.json`, { cache: "no-cache" }).then((answer) => answer.json());
    const { covered, pairs } = await data;
    const shared = new Map(pairs.flatMap(({ first, second, shared }) => [[`${first} ${second}`, shared], [`${second} ${first}`, shared]]));
    rows.forEach((row, y) => {
      slugs.forEach((slug, x) => {
        if (x === y) return;
        const cell = row.cells[x + 2];
        const both = shared.get(`${slugs[y]} ${slug}`) ?? 0;
        const either = covered[slugs[y]] + covered[slug] - both;
        const whole = kind === "contained" ? covered[slugs[y]] : either;
        cell.className = both ? `h${step(both, whole)}` : "";
        cell.textContent = !both ? "" : kind === "shared" ? both : hundredths(both, whole);
      });
    });
    document.getElementById("overlap-what").textContent = SAYS[kind];
    for (const button of tools.children) button.setAttribute("aria-pressed", button.value === kind);
  }

  if (location.protocol === "file:") return;
  tools.addEventListener("click", ({ target }) => target.value && show(target.value));
  tools.classList.remove("cv-later");
})();
