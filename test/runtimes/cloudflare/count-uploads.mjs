/** Says how many multipart uploads are unfinished in the databases of miniflare's R2, at every change. */

import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const QUERY = "SELECT count(*) AS count FROM _mf_multipart_uploads WHERE state = 0";

const databases = globSync(join(process.argv[2], "**/*.sqlite"))
  .map((path) => new DatabaseSync(path, { readOnly: true }))
  .filter((database) => {
    const tables = database.prepare("SELECT name FROM sqlite_master").all();
    return tables.some(({ name }) => name === "_mf_multipart_uploads");
  });
if (databases.length === 0) throw new Error("no database of R2");
const queries = databases.map((database) => database.prepare(QUERY));
let last;
setInterval(() => {
  const count = queries.reduce((sum, query) => sum + query.get().count, 0);
  if (count !== last) console.log(count);
  last = count;
}, 5);
