/** What bundlers begin with. */

import { result } from "./entry.mjs";
import { report } from "./report.mjs";

report(result);
