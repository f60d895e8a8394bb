// Projections: two maps of the same images; what is selected in one is selected in the other.
const symbols = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star"];
function explorer(section) {
  const { maps, colors } = read(section.querySelector("script"));
  const [left, right, method] = all("select", section);
  const [gallery, count, chips] = [".gallery", ".count", ".chips"].map((name) => section.querySelector(name));
  const sides = all(".map", section);
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
      marker: { size: many ? 4 : 7, opacity: 0.85, color: colors[label], symbol: symbols[label % symbols.length] },
      selected: { marker: { opacity: 0.9 } }, unselected: { marker: { opacity: 0.06 } },
      selectedpoints: chosenPoints[label],
    }));
    const bare = { showgrid: false, zeroline: false, showticklabels: false };
    const layout = {
      showlegend: false, margin: { l: 8, r: 8, t: 26, b: 8 }, dragmode: touch ? false : "select",
      modebar: { orientation: "v" },
      xaxis: { ...bare, range: [low[0], high[0]] }, yaxis: { ...bare, range: [low[1], high[1]] }, hovermode: "closest",
    };
    all(".side .title", section)[side].textContent = map.title;
    const first = !drawn.has(div);
    draw(div, traces, layout, settings);
    if (!first) return;
    const placeOf = ({ curveNumber, pointIndex }) => chosen(side).groups[curveNumber][pointIndex];
    div.on("plotly_hover", ({ points: [point], event }) => {
      const id = chosen(side).ids[placeOf(point)];
      showHover(rowOf.get(id), id, event);
    });
    div.on("plotly_unhover", () => { hover.hidden = true; });
    div.on("plotly_click", ({ points: [point] }) => {
      const row = rowOf.get(chosen(side).ids[placeOf(point)]);
      hover.hidden = true;
      if (row !== undefined) openCard(card(row));
    });
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
    for (const other of chips.children) other.setAttribute("aria-pressed", other === chip);
    sides.forEach((div, side) =>
      Plotly.restyle(div, { selectedpoints: places(chosen(side)) }).then(() =>
        Plotly.relayout(div, { selections: [] })));
    const ids = new Set(sides.flatMap((_, side) => (keys ? chosen(side).keys : []).flatMap(
      (key, place) => (keys.has(key) ? [chosen(side).ids[place]] : []))));
    const rows = [...ids].map((id) => rowOf.get(id)).filter((row) => row !== undefined);
    const withPicture = rows.filter((row) => examples.picture[row] >= 0);
    const byClass = new Map();
    for (const row of rows) byClass.set(examples.label[row], (byClass.get(examples.label[row]) || 0) + 1);
    const listed = [...byClass].sort((a, b) => b[1] - a[1]).map(([label, n]) => `${examples.classes[label]} ${n}`);
    count.textContent = keys ? `${rows.length} images: ${listed.join(", ")}` : "";
    fill(gallery, withPicture);
  }
  const signs = ["●", "■", "▲", "◆", "▼", "✚", "✖", "★"];
  colors.forEach((color, label) => {
    const chip = make("button", "chip", examples.classes[label]);
    chip.type = "button";
    chip.dataset.sign = signs[label % signs.length]; // the style shows it before the name
    chip.style.setProperty("--color", color);
    chip.setAttribute("aria-pressed", false);
    chip.onclick = () => (chip.getAttribute("aria-pressed") === "true" ? select(null) : select(
      new Set(maps.flatMap((map) => map.keys.filter((_, place) => map.labels[place] === label))), chip));
    chips.append(chip);
  });
  section.querySelector(".all").onclick = () => select(null);
  for (const [number, menu] of [left, right, method].entries())
    menu.onchange = () => (number < 2 ? plot(number) : sides.forEach((_, side) => plot(side)));
  whenNear(section, () => sides.forEach((_, side) => plot(side)));
}
all(".explorer").forEach(explorer);

// ---- class activation maps: one method at a time
for (const menu of all("select.method"))
  menu.onchange = () => all("[data-method]", menu.closest(".cam-study")).forEach((image) => {
    image.hidden = image.dataset.method !== menu.value;
  });
