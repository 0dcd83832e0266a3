/** The contract between a stream of bytes and a store that takes an object in parts. */

/** Where one object goes: a bucket and a key. */
export interface MultipartTarget {
  /** How messages call it. */
  readonly name: string;
  /** Bytes of every part but the last, at least. */
  readonly minPartBytes: number;
  /** Bytes of a part, at most. */
  readonly maxPartBytes: number;
  /** Parts of one object, at most. */
  readonly maxParts: number;
  /** Begins an upload; nothing is to be seen under the key. */
  begin(signal: AbortSignal): Promise<MultipartUpload>;
}

/** An upload that is under way. Each method tries again by itself where that may help. */
export interface MultipartUpload {
  /**
   * Stores one part. Parts come in any order, several at once; all but the last are of one size.
   *
   * @param number from 1 on
   * @param bytes used again by the caller when the promise settles
   */
  uploadPart(number: number, bytes: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<void>;
  /** Puts the object under its key, whole. */
  complete(signal: AbortSignal): Promise<void>;
  /** Removes what was stored. No part is under way any more. */
  abort(): Promise<void>;
}

/** What R2 and S3 ask for alike. */
export const STORE_LIMITS = {
  minPartBytes: 5 << 20,
  maxPartBytes: 5 * 2 ** 30,
  maxParts: 10_000,
} as const;
