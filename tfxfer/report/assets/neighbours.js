"use strict";
// A click on an image, or on its point in a projection, shows the training images that are nearest to it.
{
  const element = document.getElementById("neighbours"), panel = document.getElementById("near");
  if (element) {
    const known = JSON.parse(element.textContent);
    const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const rows = new Int32Array(bytes(known.rows).buffer), distances = new Float32Array(bytes(known.distances).buffer);
    const queries = new Map(known.ids.map((id, row) => [id, row]));
    const { columns, per_sheet: perSheet, k } = known.layout, sheets = [];
    const sheet = (number) => (sheets[number] ??=
      URL.createObjectURL(new Blob([bytes(known.sheets[number])], { type: "image/webp" })));
    const [title, gallery, close] = [".title", ".gallery", "button"].map((name) => panel.querySelector(name));

    function reference(row, distance) {
      const figure = document.createElement("figure"), image = document.createElement("div");
      const caption = document.createElement("figcaption"), place = row % perSheet, down = perSheet / columns;
      figure.className = "thumb";
      image.className = "image";
      image.style.backgroundImage = `url(${sheet(Math.floor(row / perSheet))})`;
      image.style.backgroundSize = `${100 * columns}% ${100 * down}%`;
      image.style.backgroundPosition =
        `${(100 * (place % columns)) / (columns - 1)}% ${(100 * Math.floor(place / columns)) / (down - 1)}%`;
      caption.textContent = `${known.classes[known.label[row]]} · ${distance.toPrecision(3)} · ${known.id[row]}`;
      figure.append(image, caption);
      return figure;
    }
    function show(id) {
      const query = queries.get(id);
      if (query === undefined) return;
      title.textContent = `Nearest training images of image ${id} (${known.classes[known.labels[query]]}), with distances`;
      const places = Array.from({ length: k }, (_, rank) => query * k + rank);
      gallery.replaceChildren(...places.map((place) => reference(rows[place], distances[place])));
      panel.hidden = false;
    }
    const hide = () => { panel.hidden = true; };
    const clicked = ({ target }) => {
      const thumb = target.closest?.(".thumb[data-id]");
      if (thumb && !panel.contains(thumb)) show(Number(thumb.dataset.id));
    };
    document.addEventListener("click", clicked);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      if (event.key === "Enter") clicked(event);
    });
    document.addEventListener("example", (event) => show(event.detail));
    close.onclick = hide;
  }
}
