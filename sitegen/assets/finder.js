// The finder: fuzzy search over every symbol, module and profile, in a dialog, by keyboard alone.
(() => {
  "use strict";
  const { base, names } = window.covatlas;
  const SHOWN = 50;
  const STEPS = 400; // of one hump search; a name that needs more is found as a subsequence
  const KEY = `${new URL(base).pathname}.__finder`;

  // ── matching ──

  const code = (character) => character.charCodeAt(0);
  const isUpper = (at) => at >= 65 && at <= 90;
  const isLower = (at) => at >= 97 && at <= 122;
  const isDigit = (at) => at >= 48 && at <= 57;
  const isWord = (at) => isUpper(at) || isLower(at) || isDigit(at) || at > 127;

  // Whether a part or hump begins there: climate.Climate, build_all, HTTPServer, or a sign.
  function begins(name, at) {
    const here = name.charCodeAt(at);
    if (at === 0 || !isWord(here)) return true;
    const before = name.charCodeAt(at - 1);
    if (!isWord(before)) return true;
    if (isUpper(here)) return !isUpper(before) || isLower(name.charCodeAt(at + 1));
    return isDigit(here) && !isDigit(before);
  }

  // The humps that spell the query from `from` on, as [start, end, …], fewest letters of the name left out first.
  function humps(name, text, query, from) {
    let steps = 0;
    const found = [];
    function spell(done, at) {
      for (let start = text.indexOf(query[done], at); start >= 0; start = text.indexOf(query[done], start + 1)) {
        if (++steps > STEPS) return false;
        if (!begins(name, start)) continue;
        let length = 1;
        while (done + length < query.length && text[start + length] === query[done + length]) length++;
        for (; length; length--) {
          if (done + length === query.length || spell(done + length, start + length)) {
            found.unshift(start, start + length);
            return true;
          }
        }
      }
      return false;
    }
    return spell(0, from) ? found : null;
  }

  function subsequence(text, query) {
    let at = -1;
    for (let index = 0; index < query.length; index++) {
      at = text.indexOf(query[index], at + 1);
      if (at < 0) return false;
    }
    return true;
  }

  // Where the last `parts` parts of a dotted name begin.
  function tail(text, parts) {
    let at = text.length;
    for (; parts > 0 && at > 0; parts--) at = text.lastIndexOf(".", at - 1);
    return parts > 0 || at < 0 ? 0 : at + 1;
  }

  const EXACT = 0, WHOLE_TAIL = 1, TAIL = 2, PART = 3, HUMP = 4, HUMPS = 5, INSIDE = 8, SCATTERED = 9;

  // How well a name matches, less is better; -1: not at all. The tier first, then how much of the name is left over.
  function score(name, text, query, parts) {
    let tier = SCATTERED;
    let at = text.indexOf(query);
    if (at >= 0) {
      const end = tail(text, parts);
      if (text.length === query.length) tier = EXACT;
      else if (text.startsWith(query, end)) tier = text.length - end === query.length ? WHOLE_TAIL : TAIL;
      else {
        tier = INSIDE;
        for (; at >= 0 && tier > PART; at = text.indexOf(query, at + 1)) {
          if (at === 0 || text[at - 1] === ".") tier = PART;
          else if (tier > HUMP && begins(name, at)) tier = HUMP;
        }
      }
    } else if (!subsequence(text, query)) return -1;
    let runs = 0;
    if (tier > HUMP && query.length > 1) {
      for (let last = 0; last < 3 && tier > HUMPS + last; last++) {
        const found = humps(name, text, query, last < 2 ? tail(text, parts + last) : 0);
        if (found) [tier, runs] = [HUMPS + last, found.length / 2];
      }
    }
    return (tier << 16) | (Math.min(runs, 15) << 12) | Math.min(name.length, 4095);
  }

  // Which characters to show as matched: [start, end, …].
  function marks(name, query, exactCase) {
    const text = exactCase ? name : name.toLowerCase();
    if (text.length !== name.length) return [];
    const parts = query.split(".").length;
    const end = tail(text, parts);
    const at = text.startsWith(query, end) ? end : text.lastIndexOf(query);
    if (at >= 0 && (at === end || begins(name, at))) return [at, at + query.length];
    for (let last = 0; last < 3; last++) {
      const found = humps(name, text, query, last < 2 ? tail(text, parts + last) : 0);
      if (found) return found;
    }
    if (at >= 0) return [at, at + query.length];
    const found = [];
    let from = -1;
    for (const character of query) {
      from = text.indexOf(character, from + 1);
      if (from < 0) return [];
      found.push(from, from + 1);
    }
    return found;
  }

  // One search over all names; a longer query than the last looks only at what the last found.
  class Search {
    constructor(ids) {
      this.ids = ids;
      this.lower = ids.map((id) => id.toLowerCase());
      this.forget();
    }

    forget() {
      this.last = { query: "", found: null, exactCase: false };
    }

    // → {total, best: indexes, exactCase}; a capital letter asks for the same case, unless nothing has it.
    run(text) {
      const query = text.trim().replace(/[\s/]+/g, ".").slice(0, 200);
      if (!query) return { total: 0, best: [], query, exactCase: false };
      const lower = query.toLowerCase();
      const found = query === lower ? { total: 0 } : this.look(query, true);
      return found.total ? found : this.look(lower, false);
    }

    look(query, exactCase) {
      const { last, ids } = this;
      const narrowed = last.found && last.exactCase === exactCase && last.query && query.startsWith(last.query);
      const texts = exactCase ? ids : this.lower;
      const parts = query.split(".").length;
      const found = [];
      const best = []; // [score, index], the worst last
      let worst = Infinity;
      const count = narrowed ? last.found.length : ids.length;
      for (let step = 0; step < count; step++) {
        const index = narrowed ? last.found[step] : step;
        const points = score(ids[index], texts[index], query, parts);
        if (points < 0) continue;
        found.push(index);
        if (points >= worst && best.length === SHOWN) continue;
        let place = best.length;
        while (place && best[place - 1][0] > points) place--;
        best.splice(place, 0, [points, index]);
        if (best.length > SHOWN) best.pop();
        worst = best[best.length - 1][0];
      }
      this.last = { query, found, exactCase };
      return { total: found.length, best: best.map(([, index]) => index), query, exactCase };
    }
  }

  // ── the dialog ──

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const input = element("input", {
    type: "text", role: "combobox", class: "cv-finder-input", placeholder: "climate.build, clb, a profile …",
    "aria-label": "Find a symbol, module or profile", "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": "cv-finder-list", "aria-describedby": "cv-finder-help", autocomplete: "off",
    autocapitalize: "off", spellcheck: "false", enterkeyhint: "go",
  });
  const list = element("div", { id: "cv-finder-list", role: "listbox", class: "cv-finder-list", "aria-label": "Found", hidden: "" });
  const status = element("p", { role: "status", class: "cv-finder-status" });
  const slash = element("input", { type: "checkbox" });
  const close = element("button", { type: "button", class: "cv-finder-close", "aria-label": "Close" }, "✕");
  const help = element("p", { id: "cv-finder-help", class: "cv-finder-help" },
    element("span", {}, element("kbd", {}, "↑"), element("kbd", {}, "↓"), " choose, ", element("kbd", {}, "Enter"),
      " open, ", element("kbd", {}, "Esc"), " close. "),
    element("label", {}, slash, " the ", element("kbd", {}, "/"), " key opens this too"));
  const dialog = element("dialog", { class: "cv-finder", "aria-label": "Find a symbol" },
    element("div", { class: "cv-finder-top" }, input, close), status, list, help);
  document.body.append(dialog);

  let data = null;
  let search = null;
  let chosen = -1;

  function choose(index) {
    const options = list.children;
    options[chosen]?.setAttribute("aria-selected", "false");
    chosen = options.length ? (index + options.length) % options.length : -1;
    const option = options[chosen];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function marked(name, spans) {
    const pieces = [];
    let at = 0;
    const push = (text) => {
      // A name may break after its dots and nowhere else.
      text.split(/(?<=\.)/).forEach((piece, index) => pieces.push(...(index ? [document.createElement("wbr"), piece] : [piece])));
    };
    for (let index = 0; index < spans.length; index += 2) {
      push(name.slice(at, spans[index]));
      pieces.push(element("b", {}, name.slice(spans[index], spans[index + 1])));
      at = spans[index + 1];
    }
    push(name.slice(at));
    return pieces;
  }

  function show() {
    if (!search) return;
    const { total, best, query, exactCase } = search.run(input.value);
    list.replaceChildren(...best.map((index, place) => {
      const name = data.ids[index];
      return element("a", {
        role: "option", id: `cv-found-${place}`, "aria-selected": "false", tabindex: "-1",
        href: base + names.page(name, data.kinds[index]),
      }, element("code", {}, ...marked(name, marks(name, query, exactCase))), element("span", {}, ` ${data.kinds[index]}`));
    }));
    list.hidden = !best.length;
    input.setAttribute("aria-expanded", String(best.length > 0));
    status.textContent = !query ? `${data.ids.length.toLocaleString("en")} names`
      : !total ? "Nothing is named like that"
        : total > best.length ? `${total.toLocaleString("en")} found, the best ${best.length} are listed` : `${total} found`;
    chosen = -1;
    choose(0);
    list.scrollTop = 0;
  }

  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    if (event.key in moves && list.children.length) {
      event.preventDefault();
      const far = Math.abs(moves[event.key]) > 1;
      const to = chosen + moves[event.key];
      choose(far ? Math.min(list.children.length - 1, Math.max(0, to)) : to);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = list.children[chosen];
      if (!option) return;
      if (event.ctrlKey || event.metaKey) window.open(option.href, "_blank", "noopener");
      else {
        dialog.close();
        location.assign(option.href);
      }
    }
  });
  list.addEventListener("click", (event) => {
    if (!(event.ctrlKey || event.metaKey || event.shiftKey) && event.target.closest("a")) dialog.close();
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  slash.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, slash.checked ? "" : "no slash");
    } catch {}
  });

  function open(text) {
    if (!dialog.open) {
      slash.checked = window.covatlas.slash();
      dialog.showModal(); // traps the focus, and gives it back when it is closed
    }
    if (text !== undefined) input.value = text;
    input.focus();
    input.select();
    if (location.protocol === "file:") {
      status.replaceChildren("The finder needs a server: open this map over HTTP, as covatlas serve shows it. From disk, ",
        element("a", { href: `${base}index.html#modules` }, "go by the modules"), ".");
      return;
    }
    if (search) return show();
    status.textContent = "Loading the names …";
    names.load().then((found) => {
      data = found;
      search = new Search(found.ids);
      show();
    }).catch(() => {
      status.textContent = "The names cannot be loaded; try again later.";
    });
  }

  Object.assign(window.covatlas, { open, Search });
})();
