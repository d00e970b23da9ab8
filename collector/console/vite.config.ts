import { defineConfig } from "vite";

// The collector serves the page under a policy without inline script, inline style or data: addresses,
// so nothing may be inlined, whatever its size.
export default defineConfig({
  base: "/",
  build: {
    outDir: "dist",
    assetsDir: "assets",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    sourcemap: false,
    license: false,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": "http://127.0.0.1:8099" },
  },
});
