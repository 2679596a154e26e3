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

  document.querySelectorAll("[data-covatlas-filter]").forEach(filter);
  if (build && known && location.protocol !== "file:") {
    fetch(`${base}data/build.json`).then((answer) => answer.json()).then(fill, () => {});
  }
})();
