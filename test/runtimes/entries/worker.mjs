/** A worker of workerd: the expectation comes as the request, the result goes as the response. */

import { result } from "./entry.mjs";
import { module } from "./module.mjs";

export default {
  async fetch(request) {
    const expected = await request.json();
    return Response.json(await result({ ...expected, module }));
  },
};
