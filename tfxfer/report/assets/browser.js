// Test images by loss, class and whether they are right; the cells of the confusion matrix.
const tested = examples.id.map((_, row) => row).filter((row) => examples.predicted[row] >= 0);
const byLoss = (a, b) => examples.given[a] - examples.given[b];
const orders = {
  loss: byLoss,
  sure: (a, b) => examples.sure[b] - examples.sure[a],
  unsure: (a, b) => examples.sure[a] - examples.sure[b],
  id: (a, b) => examples.id[a] - examples.id[b],
};
const columns = ["id", "file", "label", "predicted", "correct", "probability", "label_probability"];
function csv(rows) {
  const { classes } = examples, cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const lines = rows.map((row) => [
    examples.id[row], examples.files[row] || "", classes[examples.label[row]], classes[examples.predicted[row]],
    wrong(row) ? 0 : 1, examples.sure[row], examples.given[row],
  ]);
  return [columns, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}
function save(rows, name) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function browser(section) {
  const [label, predicted, which, order] = all("select", section);
  const [gallery, count, more, saver] = [".gallery", ".count", ".more", ".save"].map((name) => section.querySelector(name));
  for (const menu of [label, predicted])
    menu.append(...examples.classes.map((name, number) => new Option(name, number)));
  let rows = [];
  function update() {
    rows = tested.filter((row) =>
      (!label.value || examples.label[row] === +label.value) &&
      (!predicted.value || examples.predicted[row] === +predicted.value) &&
      (!which.value || wrong(row) === (which.value === "wrong")));
    rows.sort(orders[order.value]);
    show(0);
  }
  function show(first) {
    fill(gallery, rows, first);
    const shown = gallery.children.length;
    more.hidden = shown === rows.length;
    count.textContent = rows.length ? `${rows.length.toLocaleString("en")} images, ${shown} shown` : "No such image";
    saver.disabled = !rows.length;
  }
  for (const menu of [label, predicted, which, order]) menu.onchange = update;
  more.onclick = () => {
    const next = gallery.children.length;
    show(next);
    gallery.children[next].querySelector("button").focus();
  };
  saver.onclick = () => save(rows, "selection.csv");
  whenNear(section, update);
}
all(".browser").forEach(browser);

// ---- confusion matrix: a cell shows its images; arrow keys go from cell to cell
const cell = document.getElementById("cell");
function showCell(label, predicted) {
  const rows = tested.filter(
    (row) => examples.label[row] === label && examples.predicted[row] === predicted && examples.picture[row] >= 0);
  rows.sort(byLoss);
  const { classes } = examples, shown = Math.min(60, rows.length);
  const what = label === predicted ? `${classes[label]} recognised` : `${classes[label]} taken for ${classes[predicted]}`;
  cell.querySelector(".count").textContent = `${what}: ${shown} images shown, highest loss first`;
  fill(cell.querySelector(".gallery"), rows);
}
for (const table of cell ? all("[data-name=confusion] table") : []) {
  const buttons = all("button", table), at = (row, column) =>
    buttons.find((button) => +button.dataset.row === row && +button.dataset.column === column);
  const size = examples.classes.length, steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  buttons.forEach((button, number) => {
    const row = +button.dataset.row, column = +button.dataset.column;
    button.tabIndex = number ? -1 : 0; // one stop of the Tab key
    button.onfocus = () => buttons.forEach((other) => { other.tabIndex = other === button ? 0 : -1; });
    button.onclick = () => {
      for (const other of buttons) other.setAttribute("aria-pressed", other === button);
      showCell(row, column);
    };
    button.onkeydown = (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      for (let n = 1; n < size; n++) { // to the next cell that has images
        const next = at(row + n * step[0], column + n * step[1]);
        if (next) return next.focus();
      }
    };
  });
}
