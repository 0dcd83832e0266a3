/** `quantwise/web`: bytes from blobs, addresses and the Hugging Face Hub, in any runtime. */

export { type ByteSource, bytesSource } from "../foundation/byte-source.ts";
export { blobSource } from "./blob-source.ts";
export { HttpStatusError } from "./http-errors.ts";
export type { HttpOptions } from "./http-options.ts";
export { type HttpSource, httpSource } from "./http-source.ts";
export {
  HUB_ENDPOINT,
  type HubFile,
  type HubRef,
  hubFile,
  listHubFiles,
  parseHubRef,
} from "./hub.ts";
export { sourceStream } from "./source-stream.ts";
export { type OpenWebModelOptions, openWebModel, type WebModel } from "./web-model.ts";
