// What is known of each image, by id, and the cards that show it.
const element = document.getElementById("examples");
const examples = element ? read(element) : { id: [], sheets: [], classes: [], files: [] };
const rowOf = new Map(examples.id.map((id, row) => [id, row]));
const unpack = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const sheets = [];
function sheet(number) { // as a picture of its own, when it is first shown
  sheets[number] ??= URL.createObjectURL(new Blob([unpack(examples.sheets[number])], { type: "image/webp" }));
  return sheets[number];
}
const wrong = (row) => examples.predicted[row] >= 0 && examples.predicted[row] !== examples.label[row];
const nameOf = (row) => examples.files[row] || `id ${examples.id[row]}`;

function pictured(row) { // the image, cut from its sheet
  const image = make("span", "image"), at = row === undefined ? -1 : examples.picture[row];
  if (at < 0) return image;
  const { columns, rows } = examples, step = (n, of) => (of > 1 ? (100 * n) / (of - 1) : 0);
  const place = at % (columns * rows);
  image.style.aspectRatio = examples.ratio;
  image.style.backgroundImage = `url(${sheet(Math.floor(at / (columns * rows)))})`;
  image.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  image.style.backgroundPosition = `${step(place % columns, columns)}% ${step(Math.floor(place / columns), rows)}%`;
  image.classList.toggle("coarse", examples.coarse);
  return image;
}
function told(row, id) { // label, prediction, probability, name
  if (row === undefined) return make("span", "told", `id ${id}`);
  const { classes } = examples, predicted = examples.predicted[row];
  const lines = [make("strong", "", classes[examples.label[row]])];
  if (wrong(row)) lines.push(make("span", "", "taken for ", make("strong", "", classes[predicted])));
  if (predicted >= 0) lines.push(make("span", "", `${wrong(row) ? "✗" : "✓"} p ${examples.sure[row].toFixed(2)}`));
  lines.push(make("span", "name", nameOf(row)));
  return make("span", "told", ...lines);
}
function card(row) {
  const button = make("button", "card", pictured(row), told(row));
  button.type = "button";
  button.dataset.id = examples.id[row];
  button.classList.toggle("wrong", wrong(row));
  return button;
}
function fill(gallery, rows, first = 0, most = 60) {
  const items = rows.slice(first, first + most).map((row) => make("li", "", card(row)));
  if (first) gallery.append(...items); else gallery.replaceChildren(...items);
}
const hover = make("div");
hover.id = "hover";
hover.hidden = true;
hover.setAttribute("aria-hidden", "true");
document.querySelector("main").append(hover);
function showHover(row, id, event) {
  hover.replaceChildren(pictured(row), told(row, id));
  hover.hidden = false;
  hover.style.left = `${Math.min(event.clientX + 14, innerWidth - 170)}px`;
  hover.style.top = `${Math.min(event.clientY + 14, innerHeight - 230)}px`;
}
