// Builds orchestration/web/static/echarts.custom.min.js with its brotli copy and its licence; SHA256 records what was built.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";

const STATIC = new URL("../../orchestration/web/static/", import.meta.url);
const NAME = "echarts.custom.min.js";
// `require-trusted-types-for 'script'` refuses an assignment to innerHTML, even of nothing: emptied another way.
const trusted = {
  name: "trusted",
  setup(builder) {
    builder.onLoad({ filter: /zrender[\\/]lib[\\/](canvas|svg)[\\/]Painter\.js$/ }, async (found) => {
      const text = await readFile(found.path, "utf8");
      return { loader: "js", contents: text.replace(/(\w+)\.innerHTML = (''|null);/g, "$1.replaceChildren();") };
    });
  },
};

const made = await build({
  entryPoints: ["entry.js"], bundle: true, minify: true, format: "iife", target: "es2020", legalComments: "none",
  write: false, plugins: [trusted],
});
const whole = Buffer.from(made.outputFiles[0].contents);
const packed = brotliCompressSync(whole, {
  params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: whole.length },
});
const licences = await Promise.all(
  ["echarts/LICENSE", "echarts/NOTICE", "zrender/LICENSE"].map((name) => readFile(`node_modules/${name}`, "utf8")),
);
await writeFile(new URL(NAME, STATIC), whole);
await writeFile(new URL(`${NAME}.br`, STATIC), packed);
await writeFile(new URL("echarts.licence.txt", STATIC), licences.join("\n"));
await writeFile("SHA256", `${createHash("sha256").update(whole).digest("hex")}  ${NAME}\n`);
