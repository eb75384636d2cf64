/* The sky viewer: layers, colour scale, cuts, overlays, and the position under the pointer. */
"use strict";
const STRETCHES = {
  linear: (v) => v,
  "square root": (v) => Math.sign(v) * Math.sqrt(Math.abs(v)),
  logarithmic: (v, scale) => Math.asinh(v / scale),  // linear close to zero
};
const SCALES = {
  sequential: ["Viridis", "Cividis", "Inferno", "Greys"],
  signed: ["Blue–red", "Purple–orange", "Greys"],
};
const SIGNED_SCALES = {
  "Blue–red": [[0, "#053061"], [0.25, "#4393c3"], [0.5, "#f7f7f7"], [0.75, "#d6604d"], [1, "#67001f"]],
  "Purple–orange": [[0, "#2d004b"], [0.25, "#8073ac"], [0.5, "#f7f7f7"], [0.75, "#e08214"], [1, "#7f3b08"]],
};
const SEQUENTIAL_SCALES = {
  Inferno: [[0, "#000004"], [0.13, "#1b0c41"], [0.25, "#4a0c6b"], [0.38, "#781c6d"], [0.5, "#a52c60"],
    [0.63, "#cf4446"], [0.75, "#ed6925"], [0.88, "#fb9b06"], [1, "#fcffa4"]],
};
const OVERLAY_STYLES = {
  Sources: { color: "#ffffff", dash: "solid", symbol: "cross-thin-open" },
  "On regions": { color: "#ffffff", dash: "solid", symbol: "circle-open" },
  "Off regions": { color: "#56b4e9", dash: "dash", symbol: "circle-open" },
  "Exclusion regions": { color: "#e69f00", dash: "dot", symbol: "x-thin-open" },
  Pointings: { color: "#ff66cc", dash: "solid", symbol: "star-triangle-up-open" },
};
// rotation from ICRS to Galactic coordinates (Hipparcos catalogue, ESA SP-1200, 1997, volume 1, 1.5.3)
const TO_GALACTIC = [
  [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
  [+0.4941094278755837, -0.4448296299600112, +0.7469822444972189],
  [-0.8676661490190047, -0.1980763734312015, +0.4559837761750669],
];

function lonLat([x, y, z]) {
  const lon = (Math.atan2(y, x) * 180 / Math.PI + 360) % 360;
  return [lon, Math.atan2(z, Math.hypot(x, y)) * 180 / Math.PI];
}
const toGalactic = (v) => TO_GALACTIC.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);

function sexagesimal(value, digits) {
  const sign = value < 0 ? "−" : "";
  const factor = 3600 * 10 ** digits;
  const total = Math.round(Math.abs(value) * factor);
  const seconds = (total % (60 * 10 ** digits)) / 10 ** digits;
  const minutes = Math.floor(total / (60 * 10 ** digits)) % 60;
  const whole = Math.floor(total / factor);
  const pad = (n, width) => n.padStart(width, "0");
  return [sign + pad(String(whole), 2), pad(String(minutes), 2), pad(seconds.toFixed(digits), digits ? 3 + digits : 2)];
}

class SkyGeometry {
  constructor(data) {
    Object.assign(this, data);
    this.vectors = report.decode(data.directions.vectors);
    this.x = data.directions.x;
    this.y = data.directions.y;
  }
  /* The unit vector (ICRS) at a pixel position; null outside the projection. */
  direction(px, py) {
    const i = this.cell(this.x, px), j = this.cell(this.y, py);
    const fx = (px - this.x[i]) / (this.x[i + 1] - this.x[i]);
    const fy = (py - this.y[j]) / (this.y[j + 1] - this.y[j]);
    const result = [0, 0, 0];
    for (const [di, dj, weight] of [[0, 0, (1 - fx) * (1 - fy)], [1, 0, fx * (1 - fy)], [0, 1, (1 - fx) * fy], [1, 1, fx * fy]]) {
      const start = 3 * ((j + dj) * this.x.length + i + di);
      for (let k = 0; k < 3; k++) result[k] += weight * this.vectors[start + k];
    }
    const norm = Math.hypot(...result);
    return Number.isFinite(norm) && norm > 0 ? result.map((c) => c / norm) : null;
  }
  cell(nodes, value) {
    const step = nodes[1] - nodes[0];
    return Math.max(0, Math.min(nodes.length - 2, Math.floor((value - nodes[0]) / step)));
  }
  /* Longitude and latitude in the frame of the map. */
  native(px, py) {
    const vector = this.direction(px, py);
    return vector && lonLat(this.frame === "galactic" ? toGalactic(vector) : vector);
  }
  /* Positions and labels of ticks where round coordinates cross an edge of the view. */
  ticks(range, fixed, isX) {
    const n = 200, coordinate = isX ? 0 : 1;
    const values = [];
    for (let k = 0; k <= n; k++) {
      const p = range[0] + (range[1] - range[0]) * k / n;
      const native = isX ? this.native(p, fixed) : this.native(fixed, p);
      let value = native ? native[coordinate] : NaN;
      if (isX && values.length && Number.isFinite(value)) {  // continuous across 0/360 deg
        const last = values.findLast(([, v]) => Number.isFinite(v));
        if (last) value += 360 * Math.round((last[1] - value) / 360);
      }
      values.push([p, value]);
    }
    const finite = values.map(([, v]) => v).filter(Number.isFinite);
    if (!finite.length) return { vals: [], text: [] };
    const span = Math.max(...finite) - Math.min(...finite);
    const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60].find((s) => span / s <= 6) || 90;
    const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    const vals = [], text = [];
    for (let k = 1; k < values.length; k++) {
      const [p0, v0] = values[k - 1], [p1, v1] = values[k];
      const tick = Math.ceil(Math.min(v0, v1) / step) * step;
      if (tick <= Math.max(v0, v1) && v0 !== v1) {
        const shown = isX ? ((tick % 360) + 360) % 360 : tick;
        vals.push(p0 + (p1 - p0) * (tick - v0) / (v1 - v0));
        text.push(`${shown.toFixed(digits).replace("-", "−")}°`);
      }
    }
    return { vals, text };
  }
}

class SkyViewer {
  constructor(element) {
    this.element = element;
    const data = report.data(element.dataset.sky);
    this.layers = data.layers;
    this.geometries = data.geometries.map((geometry) => new SkyGeometry(geometry));
    this.find = (name) => element.querySelector(`[data-role="${name}"]`);
    this.plot = this.find("plot");
    this.fillLayers();
    for (const name of ["layer", "stretch", "scale"]) {
      this.find(name).addEventListener("change", () => (name === "layer" ? this.selectLayer() : this.draw()));
    }
    for (const name of ["low", "high"]) this.find(name).addEventListener("change", () => this.draw());
    this.find("auto").addEventListener("click", () => { this.setCuts(); this.draw(); });
    for (const [name, factor] of [["zoom-in", 0.5], ["zoom-out", 2]]) {
      this.find(name).addEventListener("click", () => this.zoom(factor));
    }
    this.find("reset").addEventListener("click", () => { this.view = null; this.draw(); });
    this.plot.addEventListener("keydown", (event) => this.onKey(event));
    this.selectLayer();
    this.plot.on("plotly_hover", (event) => this.readOut(event.points[0].x, event.points[0].y));
    this.plot.on("plotly_relayout", (change) => {
      if (this.drawing) return;
      if ("xaxis.range[0]" in change || "xaxis.range" in change || "xaxis.autorange" in change) {
        const { xaxis, yaxis } = this.plot.layout;
        this.view = { x: [...xaxis.range], y: [...yaxis.range] };
        this.updateTicks();
      }
    });
    report.redraw.push(() => this.draw());
  }

  fillLayers() {
    const select = this.find("layer");
    const groups = new Map();
    this.layers.forEach((layer, index) => {
      if (!groups.has(layer.group)) {
        const group = document.createElement("optgroup");
        group.label = layer.group;
        groups.set(layer.group, group);
        select.append(group);
      }
      groups.get(layer.group).append(new Option(layer.name, index));
    });
  }

  selectLayer() {
    const previous = this.layer;
    this.layer = this.layers[Number(this.find("layer").value)];
    this.geometry = this.geometries[this.layer.geometry];
    if (!previous || previous.geometry !== this.layer.geometry) {
      this.view = null;
      this.fillOverlays();
    }
    this.layer.decoded ??= report.decode(this.layer.values);
    this.values = this.layer.decoded;
    const names = SCALES[this.layer.signed ? "signed" : "sequential"];
    const scale = this.find("scale");
    if (!previous || previous.signed !== this.layer.signed) scale.replaceChildren(...names.map((n) => new Option(n)));
    if (!previous && !this.layer.signed) this.find("stretch").value = "square root";  // shows faint structure
    this.setCuts();
    this.draw();
    const [nx, ny] = this.geometry.size;
    this.readOut((nx - 1) / 2, (ny - 1) / 2);
  }

  setCuts() {
    const finite = Array.from(this.values).filter(Number.isFinite).sort((a, b) => a - b);
    const at = (q) => finite[Math.min(finite.length - 1, Math.floor(q * finite.length))];
    let [low, high] = finite.length ? [at(0.002), finite[finite.length - 1]] : [0, 1];
    if (this.layer.signed) {
      high = Math.max(Math.abs(at(0.0005) || 0), Math.abs(at(0.9995) || 0)) || 1;
      low = -high;
    } else if (low >= 0 && low < 0.5 * high) low = 0;
    if (!(high > low)) high = low + 1;
    this.find("low").value = Number(low.toPrecision(3));
    this.find("high").value = Number(high.toPrecision(3));
  }

  fillOverlays() {
    const box = this.find("overlays");
    const checked = new Map([...box.querySelectorAll("input")].map((i) => [i.value, i.checked]));
    box.replaceChildren(...this.geometry.overlays.filter((o) => o.points.length + o.curves.length).map((overlay) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "checkbox", value: overlay.name });
      input.checked = checked.get(overlay.name) ?? true;
      input.addEventListener("change", () => this.draw());
      label.append(input, ` ${overlay.name}`);
      return label;
    }));
  }

  overlayTraces() {
    const shown = new Set([...this.find("overlays").querySelectorAll("input:checked")].map((i) => i.value));
    return this.geometry.overlays.filter((o) => shown.has(o.name)).flatMap((overlay) => {
      const style = OVERLAY_STYLES[overlay.name] || OVERLAY_STYLES.Sources;
      const curves = overlay.curves.flatMap(([x, y]) => x.map((value, i) => [value, y[i]]).concat([[null, null]]));
      return [
        { type: "scatter", mode: "lines", x: curves.map((c) => c[0]), y: curves.map((c) => c[1]), hoverinfo: "skip",
          line: { color: "#000000", width: 3.5 } },
        { type: "scatter", mode: "lines", x: curves.map((c) => c[0]), y: curves.map((c) => c[1]), hoverinfo: "skip",
          line: { color: style.color, width: 1.5, dash: style.dash } },
        ...[["#000000", 4], [style.color, 1.6]].map(([color, width]) => ({
          type: "scatter", mode: "markers", x: overlay.points.map((p) => p[0]), y: overlay.points.map((p) => p[1]),
          hoverinfo: "skip", marker: { symbol: style.symbol, size: 13, line: { color, width }, color } })),
      ];
    });
  }

  annotations() {
    const shown = new Set([...this.find("overlays").querySelectorAll("input:checked")].map((i) => i.value));
    return this.geometry.overlays.filter((o) => shown.has(o.name)).flatMap((overlay) =>
      overlay.points.filter((p) => p[2]).map(([x, y, name]) => ({ x, y, text: escapeText(name), showarrow: false,
        xanchor: "left", yanchor: "bottom", xshift: 6, yshift: 4, font: { color: "#ffffff", size: 12 },
        bgcolor: "rgba(0,0,0,0.55)", borderpad: 2 })));
  }

  draw() {
    const [nx, ny] = this.geometry.size;
    const low = Number(this.find("low").value), high = Number(this.find("high").value);
    const name = this.find("stretch").value;
    const scale = Math.max(Math.abs(low), Math.abs(high)) / 100 || 1;
    const stretch = (v) => STRETCHES[name](v, scale);
    const z = [];
    for (let j = 0; j < ny; j++) z.push(Array.from(this.values.subarray(j * nx, (j + 1) * nx), stretch));
    const ticks = niceTicks(low, high, name === "linear" ? null : scale, name);
    const label = this.layer.unit ? `${this.layer.name} [${this.layer.unit}]` : this.layer.name;
    const scaleName = this.find("scale").value;
    const reversed = scaleName === "Greys";
    const heatmap = { type: "heatmap", z, zmin: stretch(low), zmax: stretch(high), zsmooth: false,
      colorscale: SIGNED_SCALES[scaleName] || SEQUENTIAL_SCALES[scaleName] || scaleName, reversescale: reversed, hoverinfo: "none",
      colorbar: { title: { text: escapeText(label), side: "right" }, tickvals: ticks.map(stretch),
        ticktext: ticks.map((t) => report.format(t)), thickness: 16, outlinewidth: 0, len: 1 } };
    const view = this.view || { x: [-0.5, nx - 0.5], y: [-0.5, ny - 0.5] };
    const names = this.geometry.frame === "galactic" ? ["Galactic longitude", "Galactic latitude"] : ["Right ascension", "Declination"];
    const layout = report.layout({ dragmode: "pan", annotations: this.annotations(), showlegend: false,
      xaxis: { range: view.x, title: { text: names[0] }, showgrid: false, zeroline: false, constrain: "domain" },
      yaxis: { range: view.y, title: { text: names[1] }, showgrid: false, zeroline: false, scaleanchor: "x", constrain: "domain" } });
    this.setTicks(layout, view);
    this.drawing = true;
    Plotly.react(this.plot, [heatmap, ...this.overlayTraces()], layout,
      { ...report.config, scrollZoom: true, displayModeBar: false });
    this.drawing = false;
  }

  setTicks(layout, view) {
    for (const [axis, ticks] of [["xaxis", this.geometry.ticks(view.x, view.y[0], true)],
      ["yaxis", this.geometry.ticks(view.y, view.x[0], false)]]) {
      Object.assign(layout[axis], { tickmode: "array", tickvals: ticks.vals, ticktext: ticks.text });
    }
  }

  updateTicks() {
    const x = this.geometry.ticks(this.view.x, this.view.y[0], true);
    const y = this.geometry.ticks(this.view.y, this.view.x[0], false);
    this.drawing = true;
    Plotly.relayout(this.plot, { "xaxis.tickvals": x.vals, "xaxis.ticktext": x.text,
      "yaxis.tickvals": y.vals, "yaxis.ticktext": y.text }).then(() => { this.drawing = false; });
  }

  zoom(factor) {
    const { xaxis, yaxis } = this.plot.layout;
    const scaled = ([a, b]) => { const c = (a + b) / 2, h = (b - a) / 2 * factor; return [c - h, c + h]; };
    this.view = { x: scaled(xaxis.range), y: scaled(yaxis.range) };
    this.draw();
  }

  onKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const { xaxis, yaxis } = this.plot.layout;
    if (moves[event.key]) {
      const [dx, dy] = moves[event.key];
      const sx = dx * (xaxis.range[1] - xaxis.range[0]) / 10, sy = dy * (yaxis.range[1] - yaxis.range[0]) / 10;
      this.view = { x: xaxis.range.map((v) => v + sx), y: yaxis.range.map((v) => v + sy) };
      this.draw();
    } else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0") { this.view = null; this.draw(); }
    else return;
    event.preventDefault();
    const range = this.plot.layout;
    this.readOut((range.xaxis.range[0] + range.xaxis.range[1]) / 2, (range.yaxis.range[0] + range.yaxis.range[1]) / 2);
  }

  readOut(px, py) {
    const vector = this.geometry.direction(px, py);
    const [nx, ny] = this.geometry.size;
    const i = Math.round(px), j = Math.round(py);
    const value = i >= 0 && j >= 0 && i < nx && j < ny ? this.values[j * nx + i] : NaN;
    const unit = Number.isFinite(value) && this.layer.unit ? ` ${this.layer.unit}` : "";
    if (!vector) { this.find("readout").textContent = "outside the projection"; return; }
    const [ra, dec] = lonLat(vector), [l, b] = lonLat(toGalactic(vector));
    const [h, m, s] = sexagesimal(ra / 15, 1), [d, am, as] = sexagesimal(dec, 0);
    const degrees = (v) => v.toFixed(4).replace("-", "−");
    this.find("readout").textContent =
      `${report.format(value)}${unit} at RA ${degrees(ra)}° (${h}h ${m}m ${s}s), Dec ${degrees(dec)}° (${d}° ${am}′ ${as}″), ` +
      `l ${degrees(l)}°, b ${degrees(b)}°`;
  }
}

function escapeText(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function niceTicks(low, high, scale, name) {
  const step = (span) => { const p = 10 ** Math.floor(Math.log10(span / 5)); return [1, 2, 5, 10].map((f) => f * p).find((s) => span / s <= 6); };
  const linear = [];
  const width = step(high - low);
  for (let v = Math.ceil(low / width) * width; v <= high * (1 + 1e-12); v += width) linear.push(Number(v.toPrecision(10)));
  if (name !== "logarithmic") return linear;
  const ticks = new Set(low <= 0 && high >= 0 ? [0] : []);
  for (const sign of [-1, 1]) {
    const top = Math.max(0, sign * (sign > 0 ? high : low));
    if (!top) continue;
    for (let e = Math.floor(Math.log10(scale)) ; 10 ** e <= top; e++) {
      for (const f of [1, 3]) {
        const v = f * 10 ** e;
        if (v >= scale && v <= top && sign * v >= low && sign * v <= high) ticks.add(sign * v);
      }
    }
  }
  return [...ticks].sort((a, b) => a - b);
}
