"use strict";

const fs = require("fs");
const path = require("path");

/*
 * Where the library is: for loadExtension() of better-sqlite3 or node:sqlite, on each connection. A bundler moves this
 * file but not the library; the environment variable HYBRID_CACHE_PATH then says where that is.
 */
function getLoadablePath() {
  const suffix = { win32: "dll", darwin: "dylib" }[process.platform] || "so";
  const platform = `${process.platform}-${process.arch}`;
  const file = process.env.HYBRID_CACHE_PATH || path.join(__dirname, "lib", platform, `hybrid_cache.${suffix}`);
  if (!fs.existsSync(file)) {
    throw new Error(`sqlite-hybrid-cache: no library for ${platform} at ${file} (HYBRID_CACHE_PATH names another)`);
  }
  return file;
}

module.exports = { getLoadablePath };
