// Charts, drawn by plotly when they come near the window.
const touch = matchMedia("(pointer: coarse)").matches;
const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["autoScale2d"] };
const still = touch ? { ...settings, displayModeBar: false } : settings;

function themed(layout) {
  const ink = dark() ? "#e4e7eb" : "#1b1f24", grid = dark() ? "#8886" : "#8883";
  const axis = (own) => Object.assign({ gridcolor: grid, zerolinecolor: grid, automargin: true }, own);
  const common = { margin: { l: 50, r: 12, t: 26, b: 45 } };
  return Object.assign(common, touch ? { dragmode: false } : {}, layout, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 },
    xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
  });
}
const drawn = new Map(); // element -> its layout and settings
function draw(div, data, layout, own) {
  drawn.set(div, [layout, own]);
  div.dataset.drawn = "";
  return Plotly.react(div, data, themed(layout), own).then(() => {
    // for the mouse, and shown only under it: the Tab key goes by the page's own controls
    for (const button of all(".modebar-btn", div)) button.tabIndex = -1;
  });
}
themeChanged.push(() => { for (const [div, [layout, own]] of drawn) draw(div, div.data, layout, own); });

function whenNear(element, action) { // once; when the page is printed, at once
  const once = () => { if (drawNow.delete(once)) { seen.disconnect(); action(); } };
  const seen = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && once(), { rootMargin: "600px" });
  drawNow.add(once);
  seen.observe(element);
}
for (const div of all(".plot")) {
  const spec = read(div.querySelector("script"));
  whenNear(div, () => draw(div, spec.data, spec.layout, still).then(() =>
    div.closest("[data-name=confusion]") && div.on("plotly_click", ({ points: [{ x, y }] }) => showCell(y, x))));
}
