// As plotly.js builds itself (its esbuild-config.js), with the traces of entry.js alone and without what leaves the page.
const { readFileSync, writeFileSync } = require("node:fs");
const path = require("node:path");
const esbuild = require("esbuild");
const { glsl } = require("esbuild-plugin-glsl");
const { environmentPlugin } = require("esbuild-plugin-environment");
const { version } = require("plotly.js/package.json");

// A report holds private data: out go the button "Share chart...", its dialog, and all that opens or fetches an address.
const removed = {
  "src/components/modebar/buttons.js":
    [/^var confirmCloudDialog = .*\n/m, /^modeBarButtons\.sendChartToCloud = \{[^]*?^\};\n/m],
  "src/components/modebar/manage.js": [/^ *if\(context\.showSendToCloud\) .*\n/m],
  "src/components/modebar/modebar.js": [/^ *a\.href = .*\n/m, /^ *a\.target = .*\n/m],
  "src/plots/plots.js": [/^plots\.sendDataToCloud = [^]*?^\};\n/m],
  "src/core.js": [/,\s*sendDataToCloud: .*/],
  "src/plot_api/plot_config.js": ["plotlyServerURL", "showSendToCloud", "topojsonURL"].map(
    (option) => new RegExp(`^    ${option}: \\{[^]*?^    \\},\\n`, "m")),
  "src/fonts/ploticon.js": [/^    cloudupload: \{[^]*?^    \},\n/m],
  "src/lib/show_no_webgl_msg.js": [/^ *scene\.container\.onclick = [^]*?^ *\};\n/m],
  "build/plotcss.js": [/^.*plotly-cloud-dialog.*\n/gm],
};
const home = path.dirname(require.resolve("plotly.js/package.json"));
const untouched = new Set(Object.keys(removed));
const offline = {
  name: "offline",
  setup: (build) => build.onLoad({ filter: /\.js$/ }, ({ path: file }) => {
    const name = path.relative(home, file).replaceAll(path.sep, "/");
    if (!(name in removed)) return;
    untouched.delete(name);
    let contents = readFileSync(file, "utf8");
    for (const part of removed[name]) {
      if (contents.search(part) < 0) return { errors: [{ text: `plotly.js ${version}: ${name} has no ${part}` }] };
      contents = contents.replace(part, "");
    }
    return { contents };
  }),
};

// Addresses that only explain attributes and errors; namespaces of XML are names and never fetched.
const explained = new RegExp("https?://(developer\\.mozilla\\.org|get\\.webgl\\.org|github\\.com/d3|plotly\\.com/javascript"
  + "|www\\.w3\\.org/TR)[^\\s\"'`)]*", "g");
const namespaces = "www\\.w3\\.org/(1999/xhtml|1999/xlink|2000/svg|2000/xmlns/|XML/1998/namespace)[\"'`]";
const outside = new RegExp(`.{0,60}(://(?!${namespaces})|["'\`]//\\w|cloud|chart.?studio|plotly\\.com|plot\\.ly).{0,60}`, "i");

esbuild.build({
  entryPoints: ["entry.js"],
  format: "iife",
  globalName: "Plotly",
  bundle: true,
  minify: true,
  plugins: [offline, glsl({ minify: true }), environmentPlugin({ NODE_DEBUG: false })],
  loader: { ".css": "empty" }, // of maps, which no report draws
  alias: { regl: "@plotly/regl", stream: "stream-browserify" },
  define: { global: "window", "define.amd": "false" },
  target: "es2020",
  banner: { js: `/* plotly.js v${version} (scatter, scattergl, bar, heatmap), Plotly, Inc., MIT license */` },
  legalComments: "none",
  write: false,
  logLevel: "silent",
}).then(({ outputFiles: [{ text }] }) => {
  const bundle = text.replace(explained, "the documentation");
  if (untouched.size) throw new Error(`plotly.js ${version} has no ${[...untouched]}`);
  if (outside.test(bundle)) throw new Error(`plotly.js ${version} names an outside host: ${bundle.match(outside)[0]}`);
  writeFileSync("../plotly.min.js", bundle);
}).catch((error) => { console.error(error.message); process.exit(1); });
