"use strict";
// Charts, linked projections and galleries of a report. All data stands in the page; nothing is fetched.
const root = document.documentElement;
const read = (element) => JSON.parse(element.textContent);
const dark = () => getComputedStyle(root).colorScheme === "dark";
const touch = matchMedia("(pointer: coarse)").matches;
const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["autoScale2d"] };
const still = touch ? { ...settings, displayModeBar: false } : settings;

function themed(layout) {
  const ink = dark() ? "#e4e7eb" : "#1b1f24", grid = dark() ? "#8886" : "#8883";
  const axis = (own) => Object.assign({ gridcolor: grid, zerolinecolor: grid, automargin: true }, own);
  const common = { margin: { l: 50, r: 15, t: 45, b: 45 }, legend: { orientation: "h", y: -0.25 } };
  return Object.assign(common, touch ? { dragmode: false } : {}, layout, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 },
    xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
  });
}

// ---- charts: drawn when they come near the window
const drawn = new Map(); // element -> its layout and settings
function draw(div, data, layout, own) {
  drawn.set(div, [layout, own]);
  div.dataset.drawn = "";
  return Plotly.react(div, data, themed(layout), own).then(() => {
    // for the mouse, and shown only under it: the Tab key goes by the page's own controls
    for (const button of div.querySelectorAll(".modebar-btn")) button.tabIndex = -1;
  });
}
function whenNear(element, action) {
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    action();
  }, { rootMargin: "600px" });
  seen.observe(element);
}
for (const div of document.querySelectorAll(".plot")) {
  const spec = read(div.querySelector("script"));
  whenNear(div, () => draw(div, spec.data, spec.layout, still).then(() => div.closest("[data-name=confusion]") && onConfusion(div)));
}
document.getElementById("theme").onclick = () => {
  root.dataset.theme = dark() ? "light" : "dark";
  for (const [div, [layout, own]] of drawn) draw(div, div.data, layout, own);
};

// ---- examples: what is known of each image, by id
const element = document.getElementById("examples");
const examples = element ? read(element) : { id: [], sheets: [] };
const rowOf = new Map(examples.id.map((id, row) => [id, row]));
const unpack = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const sheets = [];
function sheet(number) { // as a picture of its own, when it is first shown
  sheets[number] ??= URL.createObjectURL(new Blob([unpack(examples.sheets[number])], { type: "image/webp" }));
  return sheets[number];
}

function thumb(row, id) {
  const figure = document.createElement("figure"), image = document.createElement("div");
  const caption = document.createElement("figcaption");
  figure.className = "thumb";
  image.className = "image";
  figure.append(image, caption);
  figure.dataset.id = row === undefined ? id : examples.id[row]; // a click shows its neighbours
  if (document.getElementById("neighbours")) figure.tabIndex = 0;
  if (row === undefined) { caption.textContent = `id ${id}`; return figure; }
  const { classes, columns, rows } = examples, at = examples.picture[row];
  if (at >= 0) {
    const place = at % (columns * rows), step = (n, of) => (of > 1 ? (100 * n) / (of - 1) : 0);
    image.style.backgroundImage = `url(${sheet(Math.floor(at / (columns * rows)))})`;
    image.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    image.style.backgroundPosition = `${step(place % columns, columns)}% ${step(Math.floor(place / columns), rows)}%`;
  }
  const label = examples.label[row], predicted = examples.predicted[row];
  const told = predicted < 0 ? "" : ` → ${classes[predicted]} ${examples.sure[row].toFixed(2)}`;
  caption.textContent = `${classes[label]}${told} · ${examples.id[row]}`;
  if (predicted >= 0 && predicted !== label) figure.classList.add("wrong");
  return figure;
}
const hover = document.createElement("div");
hover.id = "hover";
hover.hidden = true;
document.body.append(hover);
function showHover(row, id, event) {
  hover.replaceChildren(thumb(row, id));
  hover.hidden = false;
  hover.style.left = `${Math.min(event.clientX + 14, innerWidth - 150)}px`;
  hover.style.top = `${Math.min(event.clientY + 14, innerHeight - 190)}px`;
}
function fill(gallery, rows, most = 60) {
  gallery.replaceChildren(...rows.slice(0, most).map((row) => thumb(row)));
}

// ---- confusion matrix: a click on a cell shows its images
function onConfusion(div) {
  const gallery = document.querySelector("#cell .gallery"), count = document.querySelector("#cell .count");
  div.on("plotly_click", ({ points: [{ x, y, customdata }] }) => {
    const rows = examples.id.map((_, row) => row).filter(
      (row) => examples.label[row] === y && examples.predicted[row] === x && examples.picture[row] >= 0);
    rows.sort((a, b) => examples.sure[b] - examples.sure[a]);
    const { classes } = examples, shown = Math.min(60, rows.length);
    count.textContent = `${classes[y]} taken for ${classes[x]}: ${customdata} images, ${shown} shown, most confident first`;
    fill(gallery, rows);
  });
}

// ---- projections: two maps of the same images; what is selected in one is selected in the other
function explorer(section) {
  const { maps, colors } = read(section.querySelector("script"));
  const [left, right, method] = section.querySelectorAll("select");
  const [gallery, count, chips] = [".gallery", ".count", ".chips"].map((name) => section.querySelector(name));
  const sides = [...section.querySelectorAll(".map")];
  let selected = null; // a set of keys, or null for all

  const chosen = (side) => maps[[left, right][side].value];
  function plot(side) {
    const map = chosen(side), div = sides[side];
    const name = map.points[method.value] ? method.value : Object.keys(map.points)[0];
    const flat = new Float32Array(unpack(map.points[name]).buffer), n = map.ids.length;
    const [low, high] = map.frames[name];
    // a trace for each class: a colour for each point takes plotly five times as long
    map.groups ??= colors.map((_, label) => [...map.labels.keys()].filter((place) => map.labels[place] === label));
    const chosenPoints = places(map), many = n > 3000;
    const type = many && document.createElement("canvas").getContext("webgl") ? "scattergl" : "scatter";
    const traces = map.groups.map((group, label) => ({
      type, mode: "markers", hoverinfo: "none",
      x: group.map((place) => flat[2 * place]), y: group.map((place) => flat[2 * place + 1]),
      marker: { size: many ? 4 : 6, opacity: 0.8, color: colors[label] },
      selected: { marker: { opacity: 0.9 } }, unselected: { marker: { opacity: 0.06 } },
      selectedpoints: chosenPoints[label],
    }));
    const bare = { showgrid: false, zeroline: false, showticklabels: false };
    const layout = {
      title: { text: map.title, font: { size: 13 } }, showlegend: false,
      margin: { l: 8, r: 8, t: 34, b: 8 }, dragmode: touch ? false : "select", modebar: { orientation: "v" },
      xaxis: { ...bare, range: [low[0], high[0]] }, yaxis: { ...bare, range: [low[1], high[1]] }, hovermode: "closest",
    };
    const first = !drawn.has(div);
    draw(div, traces, layout, settings);
    if (!first) return;
    const placeOf = ({ curveNumber, pointIndex }) => chosen(side).groups[curveNumber][pointIndex];
    div.on("plotly_hover", ({ points: [point], event }) => {
      const id = chosen(side).ids[placeOf(point)];
      showHover(rowOf.get(id), id, event);
    });
    div.on("plotly_unhover", () => { hover.hidden = true; });
    div.on("plotly_click", ({ points: [point] }) =>
      document.dispatchEvent(new CustomEvent("example", { detail: chosen(side).ids[placeOf(point)] })));
    div.on("plotly_selected", (event) => event && event.points.length &&
      select(new Set(event.points.map((point) => chosen(side).keys[placeOf(point)]))));
    div.on("plotly_deselect", () => select(null));
  }
  function places(map) { // for each class, which of its points are selected; null for all
    return map.groups.map((group) => selected &&
      group.flatMap((place, number) => (selected.has(map.keys[place]) ? [number] : [])));
  }
  function select(keys, chip) {
    selected = keys;
    for (const other of chips.children) other.classList.toggle("on", other === chip);
    sides.forEach((div, side) =>
      Plotly.restyle(div, { selectedpoints: places(chosen(side)) }).then(() =>
        Plotly.relayout(div, { selections: [] })));
    const ids = new Set(sides.flatMap((_, side) => (keys ? chosen(side).keys : []).flatMap(
      (key, place) => (keys.has(key) ? [chosen(side).ids[place]] : []))));
    const rows = [...ids].map((id) => rowOf.get(id)).filter((row) => row !== undefined);
    const pictured = rows.filter((row) => examples.picture[row] >= 0);
    const byClass = new Map();
    for (const row of rows) byClass.set(examples.label[row], (byClass.get(examples.label[row]) || 0) + 1);
    const listed = [...byClass].sort((a, b) => b[1] - a[1]).map(([label, n]) => `${examples.classes[label]} ${n}`);
    count.textContent = keys ? `${rows.length} images: ${listed.join(", ")}` : "";
    fill(gallery, pictured);
  }
  colors.forEach((color, label) => {
    const chip = document.createElement("button");
    chip.className = "chip";
    chip.style.setProperty("--color", color);
    chip.textContent = examples.classes[label];
    chip.onclick = () => (chip.classList.contains("on") ? select(null) : select(
      new Set(maps.flatMap((map) => map.keys.filter((_, place) => map.labels[place] === label))), chip));
    chips.append(chip);
  });
  section.querySelector(".all").onclick = () => select(null);
  for (const [number, menu] of [left, right, method].entries())
    menu.onchange = () => (number < 2 ? plot(number) : sides.forEach((_, side) => plot(side)));
  whenNear(section, () => sides.forEach((_, side) => plot(side)));
}
document.querySelectorAll(".explorer").forEach(explorer);

// ---- class activation maps: one method at a time
for (const menu of document.querySelectorAll("select.method"))
  menu.onchange = () => menu.closest("section").querySelectorAll("[data-method]").forEach((image) => {
    image.hidden = image.dataset.method !== menu.value;
  });
