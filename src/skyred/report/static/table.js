/* Tables that are sorted by a click on a heading, filtered by text, and shown in pages. */
"use strict";
const PAGE_ROWS = 50;
class SortedTable {
  constructor(table) {
    this.table = table;
    this.rows = report.data(table.dataset.sortable);
    this.shown = this.rows;
    this.page = 0;
    this.body = table.tBodies[0];
    table.querySelectorAll("th button").forEach((button, column) => {
      button.addEventListener("click", () => this.sort(column, button));
    });
    const filter = document.getElementById(`${table.id}-filter`);
    filter.addEventListener("input", () => this.filter(filter.value));
    for (const [name, step] of [["previous", -1], ["next", 1]]) {
      document.getElementById(`${table.id}-${name}`).addEventListener("click", () => { this.page += step; this.show(); });
    }
    this.show();
  }
  sort(column, button) {
    const heading = button.closest("th");
    const descending = heading.ariaSort === "ascending";
    this.table.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const sign = descending ? -1 : 1;
    const compare = (a, b) => {
      const [x, y] = [a[column], b[column]];
      if (x === y) return 0;
      if (x === null || x === "") return 1;  // missing values come last
      if (y === null || y === "") return -1;
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
    };
    this.rows = [...this.rows].sort(compare);
    this.shown = [...this.shown].sort(compare);
    this.page = 0;
    this.show();
  }
  filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.shown = this.rows.filter((row) => {
      const line = row.join(" ").toLowerCase();
      return words.every((word) => line.includes(word));
    });
    this.page = 0;
    this.show();
  }
  show() {
    const pages = Math.max(1, Math.ceil(this.shown.length / PAGE_ROWS));
    this.page = Math.max(0, Math.min(pages - 1, this.page));
    const start = this.page * PAGE_ROWS;
    const rows = this.shown.slice(start, start + PAGE_ROWS);
    this.body.replaceChildren(...rows.map((row) => {
      const tr = document.createElement("tr");
      row.forEach((value, column) => {
        const td = document.createElement("td");
        td.textContent = value === null ? "" : typeof value === "number" ? report.format(value, 5) : value;
        if (typeof value === "number") td.className = "number";
        if (this.table.dataset.status === String(column)) td.dataset.status = value;
        tr.append(td);
      });
      return tr;
    }));
    const end = start + rows.length;
    document.getElementById(`${this.table.id}-count`).textContent =
      `${rows.length ? start + 1 : 0} to ${end} of ${this.shown.length}`;
    document.getElementById(`${this.table.id}-previous`).disabled = this.page === 0;
    document.getElementById(`${this.table.id}-next`).disabled = this.page >= pages - 1;
  }
}
