"use strict";
// The page of a scan (a viewer of its maps) and the page of the cohort (a table to sort, filter and rate).

const find = (selector) => document.querySelector(selector);
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
const HIDDEN_BELOW = 2; // of NiiVue: colours start at zero, and what is below the threshold is not drawn
const OPACITY = 0.7; // of maps at first, so that the anatomy is seen below them
const STORE = "icam-ratings-" + document.body.dataset.run;

function readRatings() {
  try { return JSON.parse(localStorage.getItem(STORE)) || {}; } catch { return {}; }
}

function rate(key, rating) {
  const ratings = readRatings();
  if (rating) ratings[key] = { rating, time: new Date().toISOString() };
  else delete ratings[key];
  try { localStorage.setItem(STORE, JSON.stringify(ratings)); } catch { alert("This browser keeps no ratings for pages on the disk."); }
}

// The page of all participants gives the pages of scans the way back: how many folders above them it lies, "?up=3". They hand it on.
function linkUp() {
  const isTop = "top" in document.body.dataset, up = Number(new URLSearchParams(location.search).get("up"));
  if (!isTop && !(Number.isInteger(up) && up > 0)) return;
  const top = isTop ? location.href : "../".repeat(up) + "index.html", count = (address) => new URL(address, location.href).pathname.split("/").length;
  for (const link of document.querySelectorAll('#home, [rel="prev"], [rel="next"], #scans a[href$="_page.html"]')) {
    link.search = "?up=" + (count(link.href) - count(top));
  }
  if (isTop) return;
  if (!find("nav")) find("main").prepend(make("nav", { ariaLabel: "Pages" }));
  find("nav").prepend(make("a", { id: "up", href: top, textContent: "All participants" }));
}

// ---- page of a scan --------------------------------------------------------------------------------------------------

async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function readValues(buffer, stride = 1) { // of a NIfTI file as bundle/viewer/volumes.py writes it
  const header = new DataView(buffer);
  const kind = { 2: Uint8Array, 4: Int16Array, 256: Int8Array }[header.getInt16(70, true)];
  const levels = new kind(buffer.slice(header.getFloat32(108, true)));
  const slope = header.getFloat32(112, true), low = header.getFloat32(116, true);
  const size = [42, 44, 46].map((place) => header.getInt16(place, true));
  return (voxel) => { // of the scan, of whose voxels every `stride`th is kept
    const [i, j, k] = voxel.map((value, axis) => Math.min(Math.round(value / stride), size[axis] - 1));
    return levels[i + size[0] * (j + size[1] * k)] * slope + low;
  };
}

function addLevels(buffer, changes) { // of the next step of a walk
  const header = new DataView(changes), sum = buffer.slice(0), start = header.getFloat32(108, true);
  const levels = new Uint8Array(sum, start), added = new { 4: Int16Array, 256: Int8Array }[header.getInt16(70, true)](changes.slice(start));
  added.forEach((value, index) => { levels[index] += value; });
  return sum;
}

function invert(affine) { // of three rows; from mm to voxels
  const [[a, b, c, x], [d, e, f, y], [g, h, i, z]] = affine;
  const rows = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  const size = a * rows[0][0] + b * rows[1][0] + c * rows[2][0];
  return (mm) => rows.map((row) => row.reduce((sum, value, axis) => sum + value * (mm[axis] - [x, y, z][axis]), 0) / size);
}

class ScanPage {
  constructor(data) {
    this.data = data;
    this.toVoxel = invert(data.affine);
    this.voxel = [...data.start];
    this.layer = data.layers[0];
    this.values = {};
    this.images = {};
    this.step = 0; // of the walk that is shown
    this.opacity = { map: OPACITY, grey: 1 };
    this.turn = 0; // counts what was chosen, as only the last choice is shown
  }

  async start() {
    this.buildControls();
    this.buildTable();
    for (const key of ["scan", ...this.data.layers.map((layer) => layer.key)]) {
      this.values[key] = readValues(await this.load(key));
    }
    if (this.data.regions.length) this.values.labels = readValues(await this.load("labels"));
    const place = /^#voxel=(\d+),(\d+),(\d+)$/.exec(location.hash);
    if (place) this.voxel = place.slice(1).map(Number);
    try { await this.openViewer(); } catch (error) {
      this.viewer = null;
      find("#message").hidden = false;
      find("#message").textContent = "The picture cannot be shown, as this browser has no WebGL 2 (" + error.message + "). The values below can be read.";
    }
    this.moveTo(this.voxel);
    await this.choose(this.layer);
    document.body.dataset.ready = this.viewer ? "viewer" : "values";
    document.body.dataset.milliseconds = Math.round(performance.now());
  }

  async openViewer() {
    const canvas = find("#screen canvas");
    if (!document.createElement("canvas").getContext("webgl2")) throw new Error("no context");
    document.head.append(make("script", { textContent: new TextDecoder().decode(await unpack("niivue")) }));
    const viewer = new niivue.Niivue({
      isNearestInterpolation: true, showAllOrientationMarkers: true, multiplanarPadPixels: 24, dragAndDropEnabled: false, logLevel: "error", multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
      crosshairColor: [1, 1, 1, 0.9], fontColor: [1, 1, 1, 1], textHeight: -1, loadingText: "", crosshairWidth: 0.6, crosshairGap: 6, dragMode: niivue.DRAG_MODE.pan,
    });
    viewer.onLocationChange = (location) => this.show(this.toVoxel(location.mm));
    await viewer.attachToCanvas(canvas);
    canvas.tabIndex = -1;
    const slices = { axial: "AXIAL", coronal: "CORONAL", sagittal: "SAGITTAL" };
    viewer.setSliceType(niivue.SLICE_TYPE[slices[this.data.plane] || "MULTIPLANAR"]);
    for (const [kind, maps] of Object.entries(this.data.colours)) {
      for (const [name, map] of Object.entries(maps)) {
        for (const side of ["positive", "negative"]) {
          if (map[side]) viewer.addColormap([kind, name, side].join(" "), this.makeColormap(map[side]));
        }
      }
    }
    viewer.addVolume(await this.makeImage("scan"));
    [viewer.volumes[0].cal_min, viewer.volumes[0].cal_max] = this.data.window;
    viewer.updateGLVolume();
    this.viewer = viewer;
    find("#message").hidden = true;
  }

  makeColormap(stops) { // zero is transparent, all other values are not
    const all = [stops[0], ...stops], channel = (place) => all.map((stop) => stop[place]);
    const places = all.map((_, index) => (index ? Math.round(1 + (254 * (index - 1)) / (stops.length - 1)) : 0));
    return { R: channel(0), G: channel(1), B: channel(2), A: all.map((_, index) => (index ? 255 : 0)), I: places };
  }

  makeImage(name) {
    return niivue.NVImage.new(this.images[name], name + ".nii", "gray");
  }

  async load(name) { // a volume of the page
    if (!this.images[name]) this.images[name] = await unpack("volume-" + name);
    return this.images[name];
  }

  async loadStep(key, step) { // a step of a walk, of which the page holds the first, and what each other one adds
    const name = `${key}_${step}`;
    if (!step || this.images[name + "+"]) return this.images[name + "+"] || (this.images[name + "+"] = await this.load(name));
    this.images[name + "+"] = addLevels(await this.loadStep(key, step - 1), await unpack("volume-" + name));
    return this.images[name + "+"];
  }

  // -- what is shown

  async choose(layer, step = 0) {
    const turn = ++this.turn;
    const name = !layer ? "" : layer.texts ? `${layer.key}_${step}+` : layer.key;
    if (layer) {
      const image = layer.texts ? await this.loadStep(layer.key, step) : await this.load(name);
      if (turn !== this.turn) return;
      this.values[layer.key] = readValues(image, layer.stride);
    }
    this.layer = layer;
    this.step = step;
    this.showChoice();
    const colours = find("#colours"), threshold = find("#threshold");
    colours.replaceChildren(...Object.keys(layer ? this.data.colours[layer.kind] : {}).map((name) => new Option(name)));
    threshold.value = layer ? layer.threshold : 0;
    for (const control of [colours, threshold]) control.disabled = !layer || layer.kind === "grey";
    for (const control of [find("#end"), find("#reset")]) control.disabled = !layer || !(layer.kind in { signed: 1, spread: 1 });
    find("#opacity").disabled = !layer;
    find("#opacity").value = this.opacity[this.group()];
    if (this.viewer) {
      const image = layer && await this.makeImage(name);
      if (turn !== this.turn) return;
      for (const volume of this.viewer.volumes.slice(1)) this.viewer.removeVolume(volume);
      if (layer) this.viewer.addVolume(image);
    }
    this.paint();
    this.show(this.voxel);
  }

  group() { // of images that share an opacity
    return this.layer && this.layer.kind === "grey" ? "grey" : "map";
  }

  end(layer) { // where the colours of a map end
    return layer.kind in { signed: 1, spread: 1 } ? layer.limit * Number(find("#end").value) : layer.limit;
  }

  showChoice() { // in the controls, and in the table of values
    const layer = this.layer, listed = !layer || this.data.layers.includes(layer);
    find("#layers").value = layer ? layer.key : "";
    for (const button of document.querySelectorAll("[data-draw]")) button.setAttribute("aria-pressed", !!layer && button.dataset.draw === layer.key);
    this.data.walks.forEach((walk, place) => {
      const slider = find(`[data-walk="${place}"]`), step = walk === layer ? this.step : Number(slider.value);
      slider.value = step;
      slider.setAttribute("aria-valuetext", walk.texts[step]);
      find(`[data-text="${place}"]`).textContent = walk.texts[step];
    });
    for (const row of document.querySelectorAll("#values tr.chosen")) row.remove();
    if (!listed) find("#values tbody").append(this.buildRow({ ...layer, title: this.name(layer) }, "chosen"));
  }

  name(layer) {
    return layer.texts ? `${layer.title}, ${layer.texts[this.step]}` : layer.title;
  }

  paint() {
    const layer = this.layer, name = find("#colours").value;
    const share = Number(find("#threshold").value), opacity = Number(find("#opacity").value);
    const threshold = layer ? share * layer.limit : 0, end = layer ? this.end(layer) : 0;
    this.opacity[this.group()] = opacity;
    const image = this.viewer && this.viewer.volumes[1];
    if (layer && image) {
      const grey = layer.kind === "grey";
      image.colormap = `${layer.kind} ${name} positive`;
      image.colormapNegative = layer.kind === "signed" ? `${layer.kind} ${name} negative` : "";
      image.colormapType = grey ? 0 : HIDDEN_BELOW;
      image.cal_min = grey ? this.data.window[0] : Math.max(threshold, layer.step / 2);
      image.cal_max = grey ? this.data.window[1] : Math.max(end, image.cal_min + layer.step / 2);
      image.opacity = opacity;
      this.viewer.updateGLVolume();
    }
    this.drawLegend(layer, name, layer ? Math.min(threshold / end, 1) : 0, end);
    find("#thresholdValue").textContent = layer && layer.kind !== "grey" ? this.format(threshold, layer.step) : "none";
    find("#endValue").textContent = find("#end").disabled ? "none" : (layer.kind === "signed" ? "\u00b1" : "") + this.format(end, layer.limit / 50);
    find("#opacityValue").textContent = Math.round(100 * opacity) + " %";
    for (const id of ["threshold", "end", "opacity"]) find("#" + id).setAttribute("aria-valuetext", find(`#${id}Value`).textContent);
    this.describe();
  }

  drawLegend(layer, name, threshold, end) { // the threshold as a share of the end
    const bar = find("#bar");
    find("#fixed").hidden = find("#end").disabled || layer.key === "truth";
    bar.hidden = find("#ticks").hidden = !layer;
    if (!layer) {
      find("#meaning").textContent = "The scan alone.";
      find("#unit").textContent = "";
      return;
    }
    const map = this.data.colours[layer.kind][name];
    const rgb = (stop) => `rgb(${stop.map(Math.round).join(" ")})`;
    const mix = (stops, share) => {
      const place = share * (stops.length - 1), index = Math.min(Math.floor(place), stops.length - 2);
      return rgb(stops[index].map((value, channel) => value + (place - index) * (stops[index + 1][channel] - value)));
    };
    const shares = [...Array(21).keys()].map((step) => threshold + ((1 - threshold) * step) / 20);
    const side = (stops, place) => shares.map((share) => `${mix(stops, share)} ${100 * place(share)}%`);
    const gap = (from, to) => [`transparent ${100 * from}%`, `transparent ${100 * to}%`];
    const stops = layer.kind === "signed"
      ? [...side(map.negative, (share) => 0.5 - share / 2).reverse(), ...gap(0.5 - threshold / 2, 0.5 + threshold / 2), ...side(map.positive, (share) => 0.5 + share / 2)]
      : [...gap(0, threshold), ...side(map.positive, (share) => share)];
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const [low, high] = layer.kind === "grey" ? this.data.window : [layer.kind === "signed" ? -end : 0, end];
    const ticks = [low, (low + high) / 2, high].map((value) => this.format(value, (high - low) / 200));
    find("#ticks").replaceChildren(...ticks.map((text) => make("span", { textContent: text })));
    const capital = (word) => (word ? word[0].toUpperCase() + word.slice(1) : "");
    const text = (layer.text || this.name(layer) + ", as the network draws it.").replaceAll("{high}", capital(map.high)).replaceAll("{low}", capital(map.low));
    const sign = layer.kind === "signed" ? "\u00b1" : "";
    const changed = end === layer.limit ? "" : `, changed here from ${sign}${Number(layer.limit.toPrecision(3))}`;
    const meaning = text + (layer.kind === "grey" ? ` Grey: from ${ticks[0]} (black) to ${ticks[2]} (white).`
      : layer.kind === "mask" ? "" : ` Lighter is stronger. Colours end at ${sign}${ticks[2]}${changed}.`);
    find("#meaning").textContent = meaning;
    find("#unit").textContent = "Unit: " + layer.unit + ".";
    bar.setAttribute("aria-label", `Colours from ${ticks[0]} to ${ticks[2]}. ${meaning}`);
  }

  // -- where the cross is

  toMillimetres(voxel) {
    return this.data.affine.map((row) => row[3] + voxel.reduce((sum, value, axis) => sum + row[axis] * value, 0));
  }

  moveTo(voxel) {
    const inside = voxel.map((value, axis) => Math.min(Math.max(Math.round(value) || 0, 0), this.data.shape[axis] - 1));
    if (!this.viewer) return this.show(inside);
    const mm = this.toMillimetres(inside);
    this.viewer.scene.crosshairPos = this.viewer.mm2frac(mm, 0, true);
    this.viewer.drawScene();
    this.viewer.createOnLocationChange(); // shows what is under NiiVue's cross
  }

  show(voxel) {
    const size = this.data.shape;
    this.voxel = voxel.map((value, axis) => Math.min(Math.max(Math.round(value), 0), size[axis] - 1));
    for (const cell of document.querySelectorAll("#values td[data-key]")) {
      const value = this.values[cell.dataset.key](this.voxel);
      cell.dataset.value = value;
      cell.textContent = this.format(value, Number(cell.dataset.step));
    }
    const mm = this.toMillimetres(this.voxel);
    ["i", "j", "k"].forEach((name, axis) => { find("#voxel-" + name).value = this.voxel[axis]; });
    ["x", "y", "z"].forEach((name, axis) => { find("#mm-" + name).value = mm[axis].toFixed(1); });
    this.describe();
  }

  describe() {
    const mm = this.toMillimetres(this.voxel);
    const place = `voxel (${this.voxel.join(", ")}), ${mm.map((value) => value.toFixed(1)).join(", ")} mm`;
    const region = this.values.labels ? `. ${this.data.regions[this.values.labels(this.voxel)] || "Outside of the atlas's regions"}` : "";
    find("#place").textContent = "Cross: " + place + region.replace(/^\. ./, (start) => start.toUpperCase());
    const cell = this.layer && find(`#values td[data-key="${this.layer.key}"]`);
    const value = cell ? ` ${this.name(this.layer)}: ${cell.textContent}.` : "";
    find("#screen canvas").setAttribute("aria-label", `${find("h1").textContent}, ${this.data.plane || "three"} plane${this.data.plane ? "" : "s"} through ${place}${region}.${value}`);
  }

  format(value, step) {
    return value.toFixed(Math.min(Math.max(Math.ceil(-Math.log10(step) - 1e-9), 0), 8)).replace(/^-(0\.?0*)$/, "$1");
  }

  // -- what is done by hand

  buildTable() {
    const rows = [{ key: "scan", title: "Scan", unit: "intensity of the scan", step: this.data.scanStep }, ...this.data.layers];
    find("#values tbody").replaceChildren(...rows.map((layer) => this.buildRow(layer)));
  }

  buildRow(layer, className = "") {
    const row = make("tr", { className }), cell = make("td");
    Object.assign(cell.dataset, { key: layer.key, step: layer.step });
    row.append(make("th", { scope: "row", textContent: layer.title }), cell);
    row.append(make("td", { textContent: layer.unit.replace(/ \(.*/, "") }), make("td", { textContent: Number(layer.step.toPrecision(3)) }));
    return row;
  }

  buildControls() {
    const { layers, draws, walks } = this.data;
    const group = (label, items) => {
      const made = make("optgroup", { label });
      made.append(...items.map((item) => new Option(item.title, item.key)));
      return items.length ? [made] : [];
    };
    find("#layers").replaceChildren(...layers.map((layer, index) => new Option(`${index < 9 ? index + 1 : ""} ${layer.title}`, layer.key)),
      new Option("0 Nothing", ""), ...group("Steps on the way", walks), ...group("Single draws of the map", draws));
    find("#layers").addEventListener("change", () => {
      const chosen = [...layers, ...draws, ...walks].find((each) => each.key === find("#layers").value) || null;
      this.choose(chosen, chosen && chosen.texts ? Number(find(`[data-walk="${walks.indexOf(chosen)}"]`).value) : 0);
    });
    for (const button of document.querySelectorAll("[data-draw]")) {
      const draw = this.data.draws.find((each) => each.key === button.dataset.draw);
      button.addEventListener("click", () => this.choose(this.layer === draw ? this.data.layers[0] : draw));
    }
    for (const slider of document.querySelectorAll("[data-walk]")) {
      for (const type of ["input", "click"]) slider.addEventListener(type, () => this.walk(this.data.walks[slider.dataset.walk], Number(slider.value)));
    }
    for (const id of ["threshold", "opacity", "end", "colours"]) find("#" + id).addEventListener("input", () => this.paint());
    for (const row of document.querySelectorAll("#regions-table [data-voxel]")) {
      row.addEventListener("click", () => { // also of its button, and so of Enter
        for (const each of document.querySelectorAll("#regions-table [aria-current]")) each.removeAttribute("aria-current");
        row.setAttribute("aria-current", "true");
        this.moveTo(row.dataset.voxel.split(",").map(Number));
      });
    }
    find("#reset").addEventListener("click", () => { find("#end").value = 1; this.paint(); });
    for (const name of "xyz") {
      find("#mm-" + name).addEventListener("change", () => this.moveTo(this.toVoxel(["x", "y", "z"].map((axis) => Number(find("#mm-" + axis).value)))));
    }
    for (const name of "ijk") {
      find("#voxel-" + name).addEventListener("change", () => this.moveTo(["i", "j", "k"].map((axis) => Number(find("#voxel-" + axis).value))));
    }
    find("#screen").addEventListener("keydown", (event) => this.press(event), true);
    find("#screen").addEventListener("pointerdown", () => find("#screen").focus({ preventScroll: true }));
    const stored = readRatings()[this.data.key];
    for (const radio of document.querySelectorAll("#rating input")) {
      radio.checked = radio.value === (stored ? stored.rating : "");
      radio.addEventListener("change", () => {
        rate(this.data.key, radio.value);
        const hash = "#rating=" + encodeURIComponent(JSON.stringify([this.data.key, radio.value])); // browsers that part the stores of files
        for (const link of document.querySelectorAll("#home, #up")) link.hash = hash;
      });
    }
  }

  walk(walk, step) {
    if (walk !== this.layer || step !== this.step) this.choose(walk, step);
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    event.stopPropagation(); // NiiVue has keys of its own
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowDown: [1, -1], ArrowUp: [1, 1], PageDown: [2, -1], PageUp: [2, 1] };
    if (event.key in moves) {
      const [direction, sign] = moves[event.key], [axis, along] = this.data.axes[direction], voxel = [...this.voxel];
      voxel[axis] += sign * along * step;
      this.moveTo(voxel);
    } else if (event.key === "Home") this.moveTo(this.data.start);
    else if (/^\d$/.test(event.key) && (event.key === "0" || this.data.layers[event.key - 1])) this.choose(this.data.layers[event.key - 1] || null);
    else if (["+", "=", "-"].includes(event.key) && !find("#threshold").disabled) {
      find("#threshold").value = Number(find("#threshold").value) + (event.key === "-" ? -0.05 : 0.05);
      this.paint();
    } else if ([",", "."].includes(event.key) && this.data.walks.length) {
      const walk = this.layer && this.layer.texts ? this.layer : this.data.walks[0], place = this.data.walks.indexOf(walk);
      const next = Number(find(`[data-walk="${place}"]`).value) + (event.key === "," ? -1 : 1);
      this.walk(walk, Math.min(Math.max(next, 0), walk.texts.length - 1));
    } else return;
    event.preventDefault();
  }
}

// ---- page of the cohort ----------------------------------------------------------------------------------------------

const FIRST_ROWS = 20; // whose ratings can be chosen at once

class CohortPage {
  constructor() {
    this.rows = [...document.querySelectorAll("#scans tbody:not(#none) tr")];
    this.headings = [...document.querySelectorAll("#scans thead th")];
    this.place = (name) => this.headings.findIndex((heading) => heading.textContent.trim() === name);
    this.rated = this.rows.filter((row) => row.dataset.state !== "failed");
    this.cell = this.place("rating");
  }

  start() {
    const given = /^#rating=(.*)$/.exec(location.hash);
    if (given) try { rate(...JSON.parse(decodeURIComponent(given[1]))); } catch { /* not ours */ }
    if (given && find("#up")) find("#up").hash = location.hash;
    const near = new IntersectionObserver((seen) => seen.filter((each) => each.isIntersecting).forEach(({ target }) => {
      near.unobserve(target);
      this.buildRating(target);
    }), { rootMargin: "800px" }); // thousands of choices at once take a second
    this.showRatings();
    this.rated.slice(0, FIRST_ROWS).forEach((row) => this.buildRating(row));
    this.rated.slice(FIRST_ROWS).forEach((row) => near.observe(row));
    for (const id of ["search", "class", "state", "rated"]) find("#" + id).addEventListener("input", () => this.filter());
    find("#clear").addEventListener("click", () => {
      for (const id of ["search", "class", "state", "rated"]) find("#" + id).value = "";
      this.filter();
    });
    find("#export").addEventListener("click", () => this.save());
    addEventListener("storage", () => this.showRatings());
    addEventListener("pageshow", () => this.showRatings());
    this.filter();
    document.body.dataset.ready = "table";
  }

  buildRating(row) {
    const name = row.querySelector(".name").textContent;
    const choice = make("select", { ariaLabel: "Rating of " + name });
    choice.append(new Option("not rated", ""), ...["good", "doubtful", "bad"].map((word) => new Option(word)));
    choice.value = (readRatings()[row.dataset.key] || {}).rating || "";
    choice.addEventListener("change", () => { rate(row.dataset.key, choice.value); this.filter(); });
    row.cells[this.cell].replaceChildren(choice);
  }

  showRatings() {
    const ratings = readRatings();
    for (const row of this.rated) {
      const cell = row.cells[this.cell], choice = cell.querySelector("select"), { rating } = ratings[row.dataset.key] || {};
      if (choice) choice.value = rating || "";
      else cell.textContent = rating || "";
    }
  }

  filter() {
    const [words, name, state, rated] = ["search", "class", "state", "rated"].map((id) => find("#" + id).value);
    const wanted = words.toLowerCase().split(/\s+/), place = this.place("class");
    const ratings = readRatings(), all = !words.trim() && !name && !state && !rated;
    let count = 0;
    for (const row of this.rows) {
      if (all) { row.hidden = false; count++; continue; }
      const rating = row.dataset.state === "failed" ? null : (ratings[row.dataset.key] || {}).rating || "none";
      const warnings = [...row.querySelectorAll('.notes a[href^="#warning-"]')].map((note) => find(note.hash).textContent);
      const text = [row.querySelector(".name").textContent, row.cells[place].textContent, row.querySelector(".notes").textContent, ...warnings].join(" ").toLowerCase();
      const kept = wanted.every((word) => text.includes(word)) && (!name || row.cells[place].textContent === name)
        && (!state || row.dataset.state === state) && (!rated || rating === rated);
      row.hidden = !kept;
      count += kept;
    }
    find("#none").hidden = count > 0;
    find("#count").textContent = `${count} of ${this.rows.length} scans`;
  }

  save() {
    const ratings = readRatings(), clean = (text) => text.replace(/[\t\r\n]+/g, " ");
    const lines = this.rated.filter((row) => ratings[row.dataset.key]).map((row) => {
      const [scan, name] = JSON.parse(row.dataset.key), { rating, time } = ratings[row.dataset.key];
      return [scan, name, rating, time].map(clean).join("\t") + "\n";
    });
    const blob = new Blob(["scan\tname\trating\trated_at\n", ...lines], { type: "text/tab-separated-values" });
    const link = make("a", { href: URL.createObjectURL(blob), download: "ratings.tsv" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

linkUp();
(find("#scans") ? new CohortPage() : new ScanPage(JSON.parse(find("#data").textContent))).start();
