export default {
  base: "./",
  build: { target: "es2022" },
  worker: { format: "es" },
  // The sample, and quantwise itself, lie outside of this folder.
  server: { fs: { allow: ["../.."] } },
};
