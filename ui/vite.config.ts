// Builds the page into dist/, which is committed and built into the program: five files whose names stay the same.
import { defineConfig } from "vite";

/** The API that a page under development calls; the page itself comes from Vite then. */
const api = process.env.COUNTERSIGN_API ?? "http://127.0.0.1:7443";

export default defineConfig({
  base: "/",
  // The table of characters in one line, not in thousands.
  json: { namedExports: false, stringify: true },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    // What is served can be read, and a change of it reviewed.
    minify: false,
    cssMinify: false,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      output: { entryFileNames: "app.js", assetFileNames: "app[extname]", codeSplitting: false },
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "^/countersign\\.v1\\.": {
        target: api,
        changeOrigin: true,
        // The API takes calls from its own page only, and for it this is not that one.
        configure: (proxy) => proxy.on("proxyReq", (request) => request.removeHeader("origin")),
      },
    },
  },
  // No test asserts a time; this ends one that hangs.
  test: { include: ["test/**/*.test.ts"], environment: "node", testTimeout: 60_000 },
} as Parameters<typeof defineConfig>[0]);
