/* Helpers that all parts of the report share: embedded data, colours, and plotly's layout. */
"use strict";
const report = {
  data: (id) => JSON.parse(document.getElementById(id).textContent),
  /* Decode an array that Python encoded as {dtype, bdata, shape}. */
  decode(encoded) {
    const types = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };
    const bytes = Uint8Array.from(atob(encoded.bdata), (c) => c.charCodeAt(0));
    return new types[encoded.dtype](bytes.buffer);
  },
  color: (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim(),
  /* Replace the names of CSS variables in a figure by their values in the current theme. */
  resolve(node) {
    if (typeof node === "string") return node.startsWith("--") ? report.color(node) : node;
    if (Array.isArray(node)) return node.map(report.resolve);
    if (node && typeof node === "object" && !ArrayBuffer.isView(node)) {
      return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, report.resolve(v)]));
    }
    return node;
  },
  layout(extra) {
    const axis = { gridcolor: "--grid", linecolor: "--axis", zerolinecolor: "--grid", ticks: "outside",
      tickcolor: "--axis", showline: true, mirror: true, automargin: true, exponentformat: "power", title: { standoff: 14 } };
    const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "--plot", margin: { t: 12, r: 12, b: 48, l: 64 },
      font: { family: "system-ui, sans-serif", size: 13, color: "--text" }, hovermode: "closest",
      hoverlabel: { bgcolor: "--card", bordercolor: "--axis", font: { color: "--text" } },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 } };
    const layout = { ...base, ...extra };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis/.test(key)) {
        layout[key] = { ...axis, ...layout[key], title: { ...axis.title, ...(layout[key].title || {}) } };
      }
    }
    return report.resolve(layout);
  },
  config: { displaylogo: false, responsive: true,
    toImageButtonOptions: { format: "svg" }, modeBarButtonsToRemove: ["select2d", "lasso2d"] },
  redraw: [],
  format(value, digits = 4) {
    if (!Number.isFinite(value)) return "no value";
    if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
    return Number(value.toPrecision(digits)).toString().replace("-", "−");
  },
};

function applyTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  report.redraw.forEach((draw) => draw());
}

document.addEventListener("DOMContentLoaded", () => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
  dark.addEventListener("change", () => applyTheme(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () =>
    applyTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  let before = null;  // paper is white
  window.addEventListener("beforeprint", () => { before = document.documentElement.dataset.theme; applyTheme("light"); });
  window.addEventListener("afterprint", () => { applyTheme(before); });
  for (const element of document.querySelectorAll("figure[data-chart]")) drawChart(element);
  for (const element of document.querySelectorAll("[data-sky]")) new SkyViewer(element);
  for (const element of document.querySelectorAll("table[data-sortable]")) new SortedTable(element);
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", () => {
      const target = document.getElementById(button.dataset.copy);
      const range = document.createRange();
      range.selectNodeContents(target);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      document.execCommand("copy");  // also works for a page that is opened from a file
      button.textContent = "Copied";
    });
  }
});

function drawChart(element) {
  const figure = report.data(element.dataset.chart);
  const target = element.querySelector(".chart");
  const draw = () => Plotly.react(target, report.resolve(figure.data), report.layout(figure.layout), report.config);
  draw();
  report.redraw.push(draw);
}
