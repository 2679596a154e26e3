// Fills in what varies without changing the map (data/build.json), filters long lists, and loads the finder when it is
// wanted. The pages work without it.
(() => {
  "use strict";
  const base = document.currentScript.src.replace(/assets\/covatlas\.js.*$/, "");
  const covatlas = (window.covatlas = { base, load, slash });
  const build = document.querySelector("[data-covatlas=build]");
  const known = document.querySelector('a[href$="data/build.json"]');

  function fill(made) {
    const commit = typeof made.commit === "string" ? made.commit : "";
    const place = document.querySelector("[data-covatlas-made]");
    if (place) tellMade(place, made, commit);
    if (commit) build.textContent = `Made by Covatlas from commit ${commit.slice(0, 12)}`;
    for (const place of document.querySelectorAll("[data-covatlas-profile]")) {
      const profile = made.profiles[place.dataset.covatlasProfile];
      if (!profile) continue;
      const parts = [];
      if (profile.recorded) parts.push(`recorded ${profile.recorded.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}`);
      if (profile.duration_s !== null) parts.push(`played in ${profile.duration_s.toFixed(1)} s`);
      if (profile.commit) parts.push(`at commit ${profile.commit.slice(0, 12)}`);
      if (parts.length) place.textContent = ` · ${parts.join(", ")}`;
    }
    // Lines move on the branch; at the commit that the map was made from they stay.
    if (/^[0-9a-f]{7,64}$/.test(commit)) {
      const branch = made.branch.split("/").map(quoted).join("/");
      for (const link of document.querySelectorAll("a[data-covatlas-source]")) {
        link.href = link.href.replace(`/blob/${branch}/`, `/blob/${commit}/`);
      }
    }
  }

  // As Python's urllib.parse.quote writes it.
  function quoted(text) {
    return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  }

  // ── what is loaded when it is wanted ──

  const loaded = new Map();

  function load(...paths) {
    const one = (path) => {
      if (!loaded.has(path)) {
        loaded.set(path, new Promise((done, failed) => {
          const made = document.createElement(path.endsWith(".css") ? "link" : "script");
          if (path.endsWith(".css")) [made.rel, made.href] = ["stylesheet", `${base}assets/${path}`];
          else made.src = `${base}assets/${path}`;
          made.addEventListener("load", done);
          made.addEventListener("error", failed);
          document.head.append(made);
        }));
      }
      return loaded.get(path);
    };
    return paths.reduce((before, path) => before.then(() => one(path)), Promise.resolve());
  }

  // Whether the / key opens the finder: a key without Ctrl must be possible to turn off (WCAG 2.1.4).
  function slash() {
    try {
      return localStorage.getItem(`${new URL(base).pathname}.__finder`) !== "no slash";
    } catch {
      return true;
    }
  }

  function finder(place) {
    const parts = ["finder.css", "vendor/sha256.js", "names.js", "finder.js"];
    const find = (text) => load(...parts).then(() => covatlas.open(text), () => location.assign(place.href));
    const button = document.createElement("button");
    button.type = "button";
    button.className = place.className;
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-keyshortcuts", "Control+K Meta+K");
    const key = Object.assign(document.createElement("kbd"), { textContent: "/", ariaHidden: "true" });
    button.append(...place.childNodes, key);
    button.addEventListener("click", () => find());
    place.replaceWith(button);
    covatlas.find = find;
    // Before Material's own keys, which open its search of the hand-written pages with / too: that keeps f and s.
    window.addEventListener("keydown", (event) => {
      const command = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
      const asked = command ? event.key.toLowerCase() === "k" : event.key === "/" && !event.altKey && slash();
      const typing = event.target.closest?.("textarea,select,[contenteditable],input:not([type=checkbox],[type=radio])");
      const seen = typing?.getClientRects().length; // the field of a dialog that was just closed has the focus until the next frame
      if (!asked || event.isComposing || (seen && !command)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      find();
    }, true);
  }

  // The home page: from which commit, and when what it shows was recorded.
  function tellMade(place, made, commit) {
    const days = Object.values(made.profiles).flatMap((profile) => (profile.recorded ? [profile.recorded.slice(0, 10)] : []));
    days.sort();
    const parts = [];
    if (commit) parts.push(`source at commit ${commit.slice(0, 12)}`);
    if (days.length) parts.push(`profiles recorded ${days[0] === days.at(-1) ? days[0] : `${days[0]} to ${days.at(-1)}`}`);
    place.textContent = parts.join(" · ");
    place.classList.remove("cv-later");
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
    input.closest("label").classList.remove("cv-later");
  }

  // The colours of a generated page; stored as Material stores them, so that hand-written pages agree.
  function palette(button) {
    const key = `${new URL(cvBase, location).pathname}.__palette`;
    let index = 0;
    try {
      const stored = JSON.parse(localStorage.getItem(key))?.index;
      if (cvPalettes[stored]) index = stored; // else another site of this place had more of them
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

  // From disk an address that ends in a folder shows what is in the folder.
  function fromDisk() {
    for (const link of document.links) {
      if (link.protocol === "file:" && link.pathname.endsWith("/")) link.pathname += "index.html";
    }
  }

  document.querySelectorAll(".cv-find").forEach(finder);
  if (location.protocol === "file:") fromDisk();
  if (document.querySelector("[data-covatlas-go]")) load("vendor/sha256.js", "names.js", "go.js");
  if (location.protocol !== "file:" && document.querySelector("[data-covatlas-trends]")) load("vendor/sha256.js", "names.js", "trends.js");
  const plain = () => document.querySelectorAll(".cv-plain").forEach((part) => part.classList.add("cv-shown"));
  if (document.getElementById("matrix-live")) {
    const start = () => import(`${base}assets/matrix/main.js`).then((page) => page.start());
    const made = location.protocol === "file:" ? Promise.reject() : load("matrix/matrix.css").then(start);
    made.catch((error) => {  // from disk no browser loads a module; the page says what it needs
      plain();
      if (error) document.querySelector(".cv-note").textContent = `The table could not be made: ${error.message}.`;
    });
  }
  if (document.getElementById("overlap-map")) load("matrix/overlap.js").catch(() => {});
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search the guide"); // Material's dialog has no name
  addEventListener("load", () => { // Material has wrapped the guide's tables by now; a wide one scrolls by keyboard too
    for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  });
  document.querySelectorAll(".cv-theme").forEach(palette);
  document.querySelectorAll(".cv-src").forEach(titles);
  if (document.querySelector(".cv-src")) load("lines.css", "lines.js");
  document.querySelectorAll("[data-covatlas-filter]").forEach(filter);
  if (build && known && location.protocol !== "file:") {
    fetch(`${base}data/build.json`).then((answer) => answer.json()).then(fill, () => {});
  }
})();
