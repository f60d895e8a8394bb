// Beside a picture that is opened: the training images that are nearest to it.
const neighbours = document.getElementById("neighbours");
if (neighbours) {
  const known = read(neighbours);
  const rows = new Int32Array(unpack(known.rows).buffer);
  const distances = new Float32Array(unpack(known.distances).buffer);
  const queries = new Map(known.ids.map((id, row) => [id, row]));
  const { across, k } = known, packed = [];
  const sheetOf = (number) => (packed[number] ??=
    URL.createObjectURL(new Blob([unpack(known.sheets[number])], { type: "image/webp" })));

  function reference(row, distance) {
    const image = make("span", "image coarse"), place = row % across ** 2;
    const step = (n) => (across > 1 ? (100 * n) / (across - 1) : 0);
    image.style.aspectRatio = known.ratio;
    image.style.backgroundImage = `url(${sheetOf(Math.floor(row / across ** 2))})`;
    image.style.backgroundSize = `${100 * across}% ${100 * across}%`;
    image.style.backgroundPosition = `${step(place % across)}% ${step(Math.floor(place / across))}%`;
    const told = make("span", "told", make("strong", "", known.classes[known.label[row]]),
      make("span", "", `distance ${distance.toPrecision(3)}`), make("span", "name", `id ${known.id[row]}`));
    return make("li", "", make("div", "card", image, told));
  }
  whenOpened.push((card, beside) => {
    const query = queries.get(Number(card.dataset.id));
    if (query === undefined) return;
    const places = Array.from({ length: k }, (_, rank) => query * k + rank);
    const list = make("ul", "small gallery", ...places.map((place) => reference(rows[place], distances[place])));
    beside.append(make("div", "near", make("h3", "", "Nearest training images"), list, make("p", "note",
      `Euclidean distance in the features of the trained network, among ${known.searched.toLocaleString("en")} ` +
      "training images.")));
  });
}
