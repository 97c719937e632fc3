// How the pages are built: hash-named files without inline parts, each with its brotli sibling.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { recordedAnswers } from "./dev/recorded.ts";

/** Writes `FILE.br` beside every file that is served. */
function brotli(): Plugin {
  return {
    name: "brotli",
    apply: "build",
    writeBundle(options) {
      const folder = options.dir ?? "dist";
      const files = readdirSync(folder, { recursive: true, withFileTypes: true });
      for (const file of files.filter((one) => one.isFile() && !one.name.endsWith(".br"))) {
        const path = join(file.parentPath, file.name);
        const bytes = readFileSync(path);
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  plugins: [brotli(), recordedAnswers()],
});
