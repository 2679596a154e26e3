// The table: regular-table draws the rows and columns in sight; what they are, and the keyboard, is here.

import "../vendor/regular-table.js";
import { CERTAINTIES } from "./model.js";

const ROW = 24; // pixels, as covatlas-matrix.css has it
const SIGNS = ["", "✓", "i", "✗", "~"];
const WORDS = ["not covered", "covered", "import only", "failed playback", "stale"];
const FIXED = {
  symbols: { title: "Symbols", hint: "covered of all" },
  profiles: { title: "Profiles", hint: "that cover it" },
  lines: { title: "Lines", hint: "statements" },
};

export class Table {
  // `on` is asked to sort by a key, to toggle a group, to open a path, and is told of the active cell.
  constructor(place, matrix, on) {
    this.place = place;
    this.matrix = matrix;
    this.on = on;
    this.active = { row: 0, column: -1 }; // row -1 is the head, column -1 the name
    this.host = document.createElement("regular-table");
    place.append(this.host);
    this.host.removeAttribute("tabindex"); // the table inside takes the focus
    this.table = this.host.querySelector("table");
    this.table.tabIndex = 0;
    this.table.setAttribute("aria-label", "Symbols and the profiles that cover them");
    this.host.setDataListener((...area) => Promise.resolve(this.slice(...area)), { virtual_mode: "both" });
    this.host.addStyleListener(() => this.dress());
    this.host.addEventListener("click", (event) => this.click(event));
    this.host.addEventListener("mousedown", (event) => event.detail > 1 && event.preventDefault());
    this.table.addEventListener("keydown", (event) => this.key(event));
    this.table.addEventListener("focus", () => this.mark());
    new ResizeObserver(() => this.host.draw()).observe(place);
  }

  // Shows what arrange() made of a state.
  async show(view, state) {
    const columns = view.visible.map((index) => `:${this.matrix.profiles[index]}`);
    const other = columns.join() !== this.columns?.slice(this.fixed).join();
    this.view = view;
    this.state = state;
    const narrow = this.place.clientWidth < 600;
    const fixed = Object.keys(FIXED).filter((key) => (!narrow || key === "profiles") && this.has(key));
    this.fixed = fixed.length;
    this.columns = [...fixed, ...columns];
    this.active.row = Math.min(this.active.row, view.rows.length - 1);
    this.active.column = Math.min(this.active.column, this.columns.length - 1);
    this.table.setAttribute("role", state.group === "none" ? "grid" : "treegrid");
    this.table.setAttribute("aria-rowcount", view.rows.length + 1);
    this.table.setAttribute("aria-colcount", this.columns.length + 1);
    this.place.style.setProperty("--mx-rows", view.rows.length);
    if (other || this.grouping !== state.group) {
      this.host.resetAutoSize();
      this.host.scrollLeft = 0;
    }
    this.grouping = state.group;
    await this.host.draw({ invalid_viewport: true });
    this.place.style.setProperty("--mx-head", `${this.table.tHead.offsetHeight}px`);
  }

  has(key) {
    return key !== "symbols" || this.state.group !== "none";
  }

  // ── what regular-table asks for ──

  slice(x0, y0, x1, y1) {
    const rows = this.view.rows.slice(y0, y1);
    const columns = this.columns.slice(x0, x1);
    return {
      num_rows: this.view.rows.length,
      num_columns: this.columns.length,
      row_height: ROW,
      merge_headers: "column",
      column_headers: columns.map((key) => [this.heading(key)]),
      row_headers: rows.map((row) => [this.name(row)]),
      data: columns.map((key) => rows.map((row) => this.text(row, key))),
    };
  }

  group(row) {
    return this.view.groups[-1 - row];
  }

  text(row, key) {
    if (key[0] === ":") {
      const index = this.matrix.profiles.indexOf(key.slice(1));
      return row < 0 ? String(this.group(row).counts[index] || "") : SIGNS[this.matrix.columns[index][row]];
    }
    if (row < 0) {
      const group = this.group(row);
      return key === "symbols" ? `${group.covered}/${group.total}` : String(group[key]);
    }
    if (key === "symbols") return "";
    return String(key === "lines" ? this.matrix.lines[row] : this.matrix.counts[row]);
  }

  heading(key) {
    const part = document.createElement("span");
    if (key[0] !== ":") {
      part.textContent = FIXED[key].title;
      return part;
    }
    const slug = key.slice(1);
    part.className = "cv-mx-up";
    part.textContent = this.matrix.status[slug] === "failed" ? `${slug} ⚠` : slug;
    return part;
  }

  name(row) {
    const part = document.createElement("span");
    const group = row < 0 ? this.group(row) : null;
    part.className = group ? "cv-mx-group" : this.state.group === "none" ? "cv-mx-flat" : "cv-mx-symbol";
    if (group) {
      const caret = document.createElement("span");
      caret.className = "cv-mx-caret";
      caret.textContent = group.isOpen ? "▾" : "▸";
      part.append(caret);
    }
    const path = group ? group.page : this.matrix.path(row);
    const link = document.createElement(path ? "a" : "span");
    link.textContent = group ? group.name : this.label(row);
    if (path) {
      link.href = this.on.address(path);
      link.tabIndex = -1;
    }
    part.append(link);
    return part;
  }

  label(row) {
    if (this.state.group === "module") return this.matrix.shortName(row);
    return this.matrix.ids[row];
  }

  // ── what the cells look like and say ──

  dress() {
    for (const cell of this.table.querySelectorAll("th, td")) {
      const meta = this.host.getMeta(cell);
      if (!meta) continue;
      if (meta.type === "body") this.dressCell(cell, this.view.rows[meta.y], meta);
      else if (meta.type === "row_header") this.dressName(cell, this.view.rows[meta.y], meta.y);
      else this.dressHead(cell, meta.type === "corner" ? -1 : meta.x);
    }
    this.mark();
  }

  dressCell(cell, row, meta) {
    const key = this.columns[meta.x];
    if (row === undefined || !key) return;
    cell.ariaColIndex = meta.x + 2;
    cell.dataset.kind = key[0] === ":" ? "cell" : "number";
    delete cell.dataset.code;
    delete cell.dataset.heat;
    if (key[0] === ":") {
      const index = this.matrix.profiles.indexOf(key.slice(1));
      if (row < 0) {
        const { counts, total } = this.group(row);
        if (counts[index]) cell.dataset.heat = Math.max(1, Math.ceil((9 * counts[index]) / total));
      } else if (this.matrix.columns[index][row]) cell.dataset.code = CERTAINTIES[this.matrix.columns[index][row]];
    }
    const words = this.words(row, key);
    cell.ariaLabel = words;
    cell.title = key[0] === ":" ? this.sentence(row, key) : "";
  }

  words(row, key) {
    if (key[0] !== ":") return `${FIXED[key].title}: ${this.text(row, key) || "none"}`;
    const index = this.matrix.profiles.indexOf(key.slice(1));
    if (row >= 0) return WORDS[this.matrix.columns[index][row]];
    const { counts, total } = this.group(row);
    return `${counts[index]} of ${total} symbols covered`;
  }

  sentence(row, key) {
    const name = row < 0 ? this.group(row).name : this.matrix.ids[row];
    return `${name}, ${key.slice(1)}: ${this.words(row, key)}`;
  }

  dressName(cell, row, y) {
    if (row === undefined) return;
    const line = cell.parentElement;
    const group = row < 0 ? this.group(row) : null;
    line.ariaRowIndex = y + 2;
    line.ariaLevel = this.state.group === "none" ? null : group ? 1 : 2;
    line.ariaExpanded = group ? group.isOpen : null;
    line.dataset.row = group ? "group" : "symbol";
    cell.scope = "row";
    cell.ariaColIndex = 1;
    cell.title = group ? group.name : `${this.matrix.ids[row]} (${this.matrix.kinds[row]})`;
  }

  dressHead(cell, column) {
    const key = column < 0 ? "name" : this.columns[column];
    if (key === undefined) return;
    if (column < 0) cell.firstChild.textContent = this.state.group === "none" ? "Symbol" : "Module and symbol";
    if (column < 0 && this.state.group === "package") cell.firstChild.textContent = "Package and symbol";
    cell.scope = "col";
    cell.dataset.kind = column < 0 ? "name" : key[0] === ":" ? "profile" : "number";
    cell.ariaColIndex = column + 2;
    const sorted = this.state.sort === key ? "ascending" : this.state.sort === `-${key}` ? "descending" : null;
    cell.ariaSort = sorted;
    cell.title = key[0] === ":" ? `Sort by ${key.slice(1)}` : FIXED[key] ? `Sort by ${FIXED[key].hint}` : "Sort by name";
  }

  // ── the active cell ──

  find({ row, column }) {
    for (const cell of this.table.querySelectorAll(row < 0 ? "thead th" : "tbody th, tbody td")) {
      const meta = this.host.getMeta(cell);
      if (!meta) continue;
      const x = meta.type === "row_header" || meta.type === "corner" ? -1 : meta.x;
      if (x === column && (row < 0 || meta.y === row)) return cell;
    }
    return null;
  }

  mark() {
    this.table.querySelector("#mx-active")?.removeAttribute("id");
    const cell = this.find(this.active);
    if (cell) cell.id = "mx-active";
    if (cell) this.table.setAttribute("aria-activedescendant", "mx-active");
    else this.table.removeAttribute("aria-activedescendant");
  }

  async move(row, column) {
    this.active = {
      row: Math.max(-1, Math.min(row, this.view.rows.length - 1)),
      column: Math.max(-1, Math.min(column, this.columns.length - 1)),
    };
    const head = this.table.tHead.offsetHeight;
    const height = this.host.clientHeight - head;
    const top = this.active.row * ROW;
    if (this.active.row >= 0 && top < this.host.scrollTop) this.host.scrollTop = top;
    else if (top + ROW > this.host.scrollTop + height) this.host.scrollTop = top + ROW - height;
    await this.host.draw();
    if (this.active.column >= 0) await this.moveAcross();
    this.mark();
    this.tell();
  }

  async moveAcross() {
    let cell = this.find({ row: -1, column: this.active.column });
    const edges = this.host.getBoundingClientRect();
    const left = this.table.tHead.querySelector("th").getBoundingClientRect().right;
    const right = edges.left + this.host.clientWidth;
    const width = cell?.offsetWidth ?? 30;
    if (!cell) await this.host.scrollToCell(Math.max(0, this.active.column), Math.floor(this.host.scrollTop / ROW));
    cell = this.find({ row: -1, column: this.active.column });
    const box = cell?.getBoundingClientRect();
    if (box && box.left < left) this.host.scrollLeft -= left - box.left + width;
    else if (box && box.right > right) this.host.scrollLeft += box.right - right + width;
    else return;
    await this.host.draw();
  }

  tell() {
    const row = this.view.rows[this.active.row];
    const key = this.columns[this.active.column];
    if (this.active.row < 0 || row === undefined) return;
    const group = row < 0 ? this.group(row) : null;
    this.on.told({
      name: group ? group.name : this.matrix.ids[row],
      path: group ? group.page : this.matrix.path(row),
      slug: key?.[0] === ":" ? key.slice(1) : null,
      words: key ? this.words(row, key) : group ? `${group.covered} of ${group.total} symbols covered` : this.matrix.kinds[row],
    });
  }

  // ── mouse and keyboard ──

  click(event) {
    const cell = event.target.closest("th, td");
    const meta = cell && this.host.getMeta(cell);
    if (!meta || event.target.closest("a") || event.target.closest(".rt-column-resize")) return;
    if (meta.type === "corner" || meta.type === "column_header") {
      this.active = { row: -1, column: meta.type === "corner" ? -1 : meta.x };
      this.on.sort(meta.type === "corner" ? "name" : this.columns[meta.x]);
      return;
    }
    this.active = { row: meta.y, column: meta.type === "row_header" ? -1 : meta.x };
    this.mark();
    this.tell();
    const row = this.view.rows[meta.y];
    if (row < 0 && meta.type === "row_header") this.on.toggle(this.group(row).name);
    else this.enter();
  }

  enter() {
    const { row, column } = this.active;
    if (row < 0) return this.on.sort(column < 0 ? "name" : this.columns[column]);
    const shown = this.view.rows[row];
    const path = shown < 0 ? this.group(shown).page : this.matrix.path(shown);
    if (path) this.on.open(path);
    else this.on.toggle(this.group(shown).name);
  }

  key(event) {
    if (event.altKey || event.metaKey) return;
    const { row, column } = this.active;
    const page = Math.max(1, Math.floor((this.host.clientHeight - this.table.tHead.offsetHeight) / ROW) - 1);
    const last = this.view.rows.length - 1;
    const group = this.view.rows[row] < 0 ? this.group(this.view.rows[row]) : null;
    const moves = {
      ArrowDown: () => this.move(row + 1, column),
      ArrowUp: () => this.move(row - 1, column),
      ArrowRight: () => (group && column < 0 && !group.isOpen ? this.on.toggle(group.name) : this.move(row, column + 1)),
      ArrowLeft: () => (group && column < 0 && group.isOpen ? this.on.toggle(group.name) : this.move(row, column - 1)),
      PageDown: () => this.move(Math.min(last, row + page), column),
      PageUp: () => this.move(Math.max(0, row - page), column),
      Home: () => this.move(event.ctrlKey ? 0 : row, -1),
      End: () => this.move(event.ctrlKey ? last : row, this.columns.length - 1),
      Enter: () => this.enter(),
      " ": () => (group ? this.on.toggle(group.name) : row < 0 ? this.enter() : null),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }
}
