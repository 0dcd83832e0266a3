/** A `Blob`, or a `File` that somebody chose in a page, as a `ByteSource`. */

import type { ByteSource } from "../foundation/byte-source.ts";
import { ArgumentError, FormatError, printable, StorageError } from "../foundation/errors.ts";

/**
 * Reads by slices: no more than what is asked for is ever in memory.
 *
 * @param name how messages call it; by default a file's own name
 * @throws ArgumentError
 */
export function blobSource(blob: Blob, name: string = nameOf(blob)): ByteSource {
  if (typeof blob?.slice !== "function" || typeof blob.size !== "number") {
    throw new ArgumentError("blob", "a Blob or a File", blob);
  }
  return {
    name,
    size: blob.size,
    async read(target, position) {
      const end = position + target.byteLength;
      if (end > blob.size) {
        throw new FormatError("the file ends here", { file: name, offset: blob.size });
      }
      const bytes = await bytesOf(blob.slice(position, end), name);
      if (bytes.byteLength !== target.byteLength) {
        const offset = position + bytes.byteLength;
        throw new FormatError("the file ends here, earlier than its size says", {
          file: name,
          offset,
        });
      }
      target.set(bytes);
    },
  };
}

/** A file that changed or vanished after it was chosen cannot be read any more. */
async function bytesOf(slice: Blob, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await slice.arrayBuffer());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError(
      `cannot read ${printable(name)}: ${printable(reason)}; choose the file again`,
      { cause },
    );
  }
}

function nameOf(blob: Blob): string {
  const { name } = (blob ?? {}) as Partial<File>;
  return typeof name === "string" && name !== "" ? name : "blob";
}
