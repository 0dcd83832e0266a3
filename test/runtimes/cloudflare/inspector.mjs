/** V8's inspector of a workerd: what its JavaScript and its WebAssembly hold. */

import WebSocket from "ws";

export class Inspector {
  #socket;
  #last = 0;
  #context;
  #waiting = new Map();

  /** @param url of miniflare's inspector, for the only worker */
  static async open(url) {
    const inspector = new Inspector();
    inspector.#socket = new WebSocket(url, { headers: { host: "localhost" } });
    inspector.#socket.on("message", (text) => {
      const { id, result, error, method, params } = JSON.parse(text);
      if (method === "Runtime.executionContextCreated") inspector.#context = params.context.id;
      const waiting = inspector.#waiting.get(id);
      inspector.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error.message));
    });
    await new Promise((resolve, reject) => {
      inspector.#socket.on("open", resolve).on("error", reject);
    });
    await inspector.#call("Runtime.enable");
    return inspector;
  }

  /** Bytes of objects and of array buffers, garbage that is not collected yet included. */
  async heap() {
    const {
      usedSize,
      backingStorageSize,
      embedderHeapUsedSize = 0,
    } = await this.#call("Runtime.getHeapUsage");
    return { used: usedSize, backing: backingStorageSize, embedder: embedderHeapUsedSize };
  }

  /** Sizes of the WebAssembly memories that are alive. Collects garbage. */
  async memories() {
    const { result } = await this.#call("Runtime.evaluate", {
      expression: "WebAssembly.Memory.prototype",
      contextId: this.#context,
    });
    const { objects } = await this.#call("Runtime.queryObjects", {
      prototypeObjectId: result.objectId,
    });
    const { result: sizes } = await this.#call("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: "function () { return this.map(({ buffer }) => buffer.byteLength); }",
      returnByValue: true,
    });
    // What the inspector knows stays alive.
    await this.#call("Runtime.releaseObject", { objectId: objects.objectId });
    return sizes.value;
  }

  close() {
    this.#socket.close();
  }

  #call(method, params = {}) {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}
