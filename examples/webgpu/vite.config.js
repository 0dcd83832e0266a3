export default {
  base: "./",
  build: { target: "es2022" },
  // quantwise itself lies outside of this folder.
  server: { fs: { allow: ["../.."] } },
};
