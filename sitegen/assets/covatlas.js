// Fills in what varies without changing the map (data/build.json), and filters long lists. The pages work without it.
(() => {
  "use strict";
  const base = document.currentScript.src.replace(/assets\/covatlas\.js.*$/, "");
  const build = document.querySelector("[data-covatlas=build]");
  const known = document.querySelector('a[href$="data/build.json"]');

  function fill(made) {
    const commit = typeof made.commit === "string" ? made.commit : "";
    if (commit) build.textContent = `Made by Covatlas from commit ${commit.slice(0, 12)}`;
    for (const place of document.querySelectorAll("[data-covatlas-profile]")) {
      const profile = made.profiles[place.dataset.covatlasProfile];
      if (!profile) continue;
      const parts = [];
      if (profile.recorded) parts.push(`recorded ${profile.recorded.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}`);
      if (profile.duration_s !== null) parts.push(`played in ${profile.duration_s.toFixed(1)} s`);
      if (profile.commit) parts.push(`at commit ${profile.commit.slice(0, 12)}`);
      if (parts.length) place.textContent += `, ${parts.join(", ")}`;
    }
    // Lines move on the branch; at the commit that the map was made from they stay.
    if (/^[0-9a-f]{7,64}$/.test(commit)) {
      for (const link of document.querySelectorAll("a[data-covatlas-source]")) {
        link.href = link.href.replace(/\/blob\/[^/]+\//, `/blob/${commit}/`);
      }
    }
  }

  function filter(input) {
    const lists = [...document.querySelectorAll(`${input.dataset.covatlasFilter} :is(details, tbody)`)];
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const list of lists) {
        const head = (list.querySelector("summary")?.textContent ?? "").toLowerCase();
        let shown = 0;
        for (const item of list.querySelectorAll("li, tr")) {
          const text = `${head} ${item.textContent.toLowerCase()}`;
          item.hidden = !words.every((word) => text.includes(word));
          shown += !item.hidden;
        }
        if (list.matches("details")) {
          list.hidden = !shown;
          list.open = words.length > 0;
        }
      }
    });
    input.closest("label").hidden = false;
  }

  // The colours of a generated page; stored as Material stores them, so that hand-written pages agree.
  function palette(button) {
    const key = `${new URL(cvBase, location).pathname}.__palette`;
    let index = 0;
    try {
      index = JSON.parse(localStorage.getItem(key))?.index ?? 0;
    } catch {}
    const show = () => (button.title = button.ariaLabel = cvPalettes[index].title || "Switch colours");
    button.addEventListener("click", () => {
      index = (index + 1) % cvPalettes.length;
      const { title, ...color } = cvPalettes[index];
      try {
        localStorage.setItem(key, JSON.stringify({ index, color }));
      } catch {}
      const system = color.media === "(prefers-color-scheme)";
      const chosen = (system && cvPalettes.find((p) => p.media !== color.media && matchMedia(p.media).matches)) || color;
      for (const part of ["scheme", "primary", "accent"]) {
        document.body.setAttribute(`data-md-color-${part}`, chosen[part]);
      }
      show();
    });
    show();
    button.hidden = false;
  }

  // A line's title names its profiles; the lines below with the same ones leave it out.
  function titles(source) {
    let title = "";
    for (const line of source.querySelectorAll(".lx > a:first-child")) {
      if (line.querySelector("i")) line.title = title = line.title || title;
    }
  }

  document.querySelectorAll(".cv-theme").forEach(palette);
  document.querySelectorAll(".cv-src").forEach(titles);
  document.querySelectorAll("[data-covatlas-filter]").forEach(filter);
  if (build && known && location.protocol !== "file:") {
    fetch(`${base}data/build.json`).then((answer) => answer.json()).then(fill, () => {});
  }
})();
