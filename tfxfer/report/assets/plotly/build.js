// As plotly.js builds itself (its esbuild-config.js), with the traces of entry.js alone.
const esbuild = require("esbuild");
const { glsl } = require("esbuild-plugin-glsl");
const css = require("esbuild-plugin-inline-css");
const { environmentPlugin } = require("esbuild-plugin-environment");
const { version } = require("plotly.js/package.json");

esbuild.build({
  entryPoints: ["entry.js"],
  format: "iife",
  globalName: "Plotly",
  bundle: true,
  minify: true,
  plugins: [css(), glsl({ minify: true }), environmentPlugin({ NODE_DEBUG: false })],
  alias: { regl: "@plotly/regl", stream: "stream-browserify" },
  define: { global: "window", "define.amd": "false" },
  target: "es2020",
  banner: { js: `/* plotly.js v${version} (scatter, scattergl, bar, heatmap), Plotly, Inc., MIT license */` },
  legalComments: "none",
  outfile: "../plotly.min.js",
}).catch(() => process.exit(1));
