// The finder: fuzzy search over every symbol, module and profile, in a dialog, by keyboard alone.
(() => {
  "use strict";
  const { base, names } = window.covatlas;
  const SHOWN = 40;
  const KEY = `${new URL(base).pathname}.__finder`;

  // ── matching ──

  const isUpper = (code) => code >= 65 && code <= 90;
  const isLower = (code) => code >= 97 && code <= 122;
  const isDigit = (code) => code >= 48 && code <= 57;
  const isWord = (code) => isUpper(code) || isLower(code) || isDigit(code) || code > 127;

  // Whether a part or hump begins there: climate.Climate, build_all, HTTPServer, or a sign.
  function begins(name, at) {
    const here = name.charCodeAt(at);
    if (at === 0 || !isWord(here)) return true;
    const before = name.charCodeAt(at - 1);
    if (!isWord(before)) return true;
    if (isUpper(here)) return !isUpper(before) || isLower(name.charCodeAt(at + 1));
    return isDigit(here) && !isDigit(before);
  }

  // Where the last `parts` parts of a dotted name begin.
  function tail(text, parts) {
    let at = text.length;
    for (; parts > 0 && at > 0; parts--) at = text.lastIndexOf(".", at - 1);
    return parts > 0 || at < 0 ? 0 : at + 1;
  }

  // The sets of query letters (bit i: letter i) by character: what makes one step of `spells` cheap.
  const LETTERS = new Int32Array(65536);
  const LONGEST = 31;

  // Whether the query is spelled by beginnings of humps of name[from…], each followed by what comes after it: clb is
  // spelled by CLimate.Build. One pass: bit i of `now` says that letter i was taken here, of `ever` here or before.
  function spells(codes, flags, from, to, length) {
    let now = 0;
    let ever = 0;
    const whole = 1 << (length - 1);
    for (let at = from; at < to; at++) {
      now = LETTERS[codes[at]] & (flags[at] ? (ever << 1) | 1 | (now << 1) : now << 1);
      if (now & whole) return true;
      ever |= now;
    }
    return false;
  }

  const EXACT = 0, WHOLE_TAIL = 1, TAIL = 2, PART = 3, HUMP = 4, HUMPS = 5, INSIDE = 8, SCATTERED = 9;

  // Which characters to show as matched: [start, end, …].
  function marks(name, query, exactCase) {
    const text = exactCase ? name : name.toLowerCase();
    if (text.length !== name.length) return [];
    const end = tail(text, query.split(".").length);
    const at = text.startsWith(query, end) ? end : text.lastIndexOf(query);
    if (at >= 0 && (at === end || begins(name, at))) return [at, at + query.length];
    const found = humps(name, text, query, tail(text, query.split(".").length)) ?? humps(name, text, query, 0);
    if (found) return found;
    if (at >= 0) return [at, at + query.length];
    const scattered = [];
    let from = -1;
    for (const character of query) {
      from = text.indexOf(character, from + 1);
      if (from < 0) return [];
      scattered.push(from, from + 1);
    }
    return scattered;
  }

  // The humps that `spells` found, as [start, end, …]; only of names that are shown.
  function humps(name, text, query, from) {
    const dead = new Set();
    function rest(done, at) {
      if (dead.has(done * 65536 + at)) return null;
      for (let start = text.indexOf(query[done], at); start >= 0; start = text.indexOf(query[done], start + 1)) {
        if (!begins(name, start)) continue;
        let length = 1;
        while (done + length < query.length && text[start + length] === query[done + length]) length++;
        for (; length; length--) {
          const more = done + length === query.length ? [] : rest(done + length, start + length);
          if (more) return [start, start + length, ...more];
        }
      }
      dead.add(done * 65536 + at);
      return null;
    }
    return query.length <= LONGEST ? rest(0, from) : null;
  }

  // One search over all names; a longer query than the last looks only at what the last found.
  class Search {
    constructor(ids) {
      this.ids = ids;
      this.lower = ids.map((id) => id.toLowerCase());
      this.starts = new Int32Array(ids.length + 1);
      ids.forEach((id, index) => (this.starts[index + 1] = this.starts[index] + id.length));
      const size = this.starts[ids.length];
      this.flags = new Uint8Array(size);
      this.codes = { true: new Uint16Array(size), false: new Uint16Array(size) };
      ids.forEach((id, index) => {
        // A letter may grow in lower case (İ): then it is compared as it is.
        if (this.lower[index].length !== id.length) this.lower[index] = id;
        for (let at = 0, to = this.starts[index]; at < id.length; at++, to++) {
          this.codes.true[to] = id.charCodeAt(at);
          this.codes.false[to] = this.lower[index].charCodeAt(at);
          this.flags[to] = begins(id, at);
        }
      });
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
      const { last } = this;
      const narrowed = last.found && last.exactCase === exactCase && query.startsWith(last.query);
      const parts = query.split(".").length;
      for (let at = 0; at < Math.min(query.length, LONGEST); at++) LETTERS[query.charCodeAt(at)] |= 1 << at;
      const found = [];
      const best = []; // [score, index], the worst last
      const count = narrowed ? last.found.length : this.ids.length;
      for (let step = 0; step < count; step++) {
        const index = narrowed ? last.found[step] : step;
        const full = best.length === SHOWN;
        const points = this.score(index, query, exactCase, parts, full ? best[SHOWN - 1][0] : Infinity);
        if (points < 0) continue;
        found.push(index);
        if (full && points >= best[SHOWN - 1][0]) continue;
        let place = best.length;
        while (place && best[place - 1][0] > points) place--;
        best.splice(place, 0, [points, index]);
        if (full) best.pop();
      }
      for (let at = 0; at < query.length; at++) LETTERS[query.charCodeAt(at)] = 0;
      this.last = { query, found, exactCase };
      // Scattered letters are shown only where there is nothing better.
      const near = best.filter(([points]) => points >> 16 < SCATTERED);
      const shown = near.length ? near : best;
      const total = shown.length < best.length ? shown.length : found.length;
      return { total, best: shown.map(([, index]) => index), query, exactCase };
    }

    // How well a name matches, less is better; -1: not at all. The tier first, then how long the name is. A name that
    // cannot be better than `worst` is not looked at closely.
    score(index, query, exactCase, parts, worst) {
      const text = exactCase ? this.ids[index] : this.lower[index];
      const points = (tier) => (tier << 16) | Math.min(text.length, 65535);
      let at = text.indexOf(query);
      if (at < 0) {
        const codes = this.codes[exactCase];
        const end = this.starts[index + 1];
        let next = 0;
        for (let to = this.starts[index]; to < end && next < query.length; to++) {
          if (codes[to] === query.charCodeAt(next)) next++;
        }
        if (next < query.length) return -1;
        if (worst <= points(HUMPS)) return worst;
        return points(this.humped(index, query, exactCase, parts) ?? SCATTERED);
      }
      const end = tail(text, parts);
      if (text.length === query.length) return points(EXACT);
      if (text.startsWith(query, end)) return points(text.length - end === query.length ? WHOLE_TAIL : TAIL);
      if (worst <= points(PART)) return worst;
      let tier = INSIDE;
      for (; at >= 0 && tier > PART; at = text.indexOf(query, at + 1)) {
        if (at === 0 || text[at - 1] === ".") tier = PART;
        else if (this.flags[this.starts[index] + at]) tier = HUMP;
      }
      return points(tier === INSIDE ? this.humped(index, query, exactCase, parts) ?? tier : tier);
    }

    // The tier of a name whose humps spell the query: in its last part, in the last two, or anywhere.
    humped(index, query, exactCase, parts) {
      if (query.length < 2 || query.length > LONGEST) return undefined;
      const codes = this.codes[exactCase];
      const start = this.starts[index];
      const end = this.starts[index + 1];
      if (!spells(codes, this.flags, start, end, query.length)) return undefined;
      const name = this.ids[index];
      for (const more of [0, 1]) {
        if (spells(codes, this.flags, start + tail(name, parts + more), end, query.length)) return HUMPS + more;
      }
      return HUMPS + 2;
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
        element("a", { href: `${base}matrix/list.html` }, "go by the list of symbols"), ".");
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
