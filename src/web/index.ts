/**
 * `quantwise/web`: bytes from blobs, addresses and the Hugging Face Hub, and into browsers' files, R2
 * and S3.
 */

export { type ByteSource, bytesSource } from "../foundation/byte-source.ts";
export { blobSource } from "./blob-source.ts";
export { openFileModel } from "./file-model.ts";
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
export { type QuantizeWebModelOptions, quantizeWebModel } from "./quantize-web-model.ts";
export type {
  AccessedFile,
  DirectoryHandleLike,
  FileHandleLike,
  WritableFile,
} from "./sinks/handles.ts";
export { type MultipartSinkOptions, multipartSink } from "./sinks/multipart-sink.ts";
export type { MultipartTarget, MultipartUpload } from "./sinks/multipart-target.ts";
export type { PartSizeOptions } from "./sinks/part-size.ts";
export {
  type R2HttpMetadata,
  type R2MultipartBucket,
  type R2MultipartUpload,
  type R2TargetOptions,
  type R2UploadedPart,
  r2Target,
} from "./sinks/r2-target.ts";
export type { S3TargetOptions } from "./sinks/s3-options.ts";
export { s3Target } from "./sinks/s3-target.ts";
export { sourceStream } from "./source-stream.ts";
export { type OpenWebModelOptions, openWebModel, type WebModel } from "./web-model.ts";
