/**
 * Bytes in, quantized bytes out, in memory that is used again and again: two tiles, one tensor's
 * scales, a buffer to read into. `body.pipeThrough(new QuantizeSafetensorsStream(…))` does the same
 * in one line, but leaves each chunk to the garbage collector, which takes its time.
 */

import { ByteStream, quantizeForward } from "quantwise/checkpoint";
import { HeaderParser } from "quantwise/safetensors";
import { Problem } from "./problem.js";
import { watch } from "./watchdog.js";

/**
 * @param options of quantwise
 * @param settings `name` for messages, `maxBytes`, `idleMs`, and a `signal` that ends it
 * @param openSink called with the output's size when the input's header was good; what it returns
 * has taken the bytes of a write when that settles
 */
export async function quantizeInto(source, options, settings, openSink) {
  const { name, maxBytes, idleMs, signal } = settings;
  const life = new AbortController();
  const end = (reason) => life.abort(reason);
  const onAbort = () => end(signal.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort);

  const input = new ByteStream(source, name, life.signal);
  const unwatch = watch(idleMs, () => input.position, end);
  let writer;
  // A write under way may wait for a reader that is gone.
  life.signal.addEventListener("abort", () => writer?.abort(life.signal.reason).catch(() => {}));
  const emit = async (bytes) => {
    if (input.position > maxBytes)
      throw new Problem(413, `${name} has more than ${maxBytes} bytes`);
    writer ??= openSink(sizeOf(bytes)).getWriter();
    await writer.write(bytes);
    // Where all bytes are at hand, nothing else would run: no timer, no word that the client is gone.
    await scheduler.wait(0);
  };
  try {
    await quantizeForward(input, emit, { ...options, signal: life.signal });
    await writer.close();
  } catch (error) {
    writer?.abort(error).catch(() => {});
    // It fails when what was written is cleaned up.
    await writer?.closed.catch(() => {});
    throw error;
  } finally {
    unwatch();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** The first bytes are the output's header, which says how many follow. */
function sizeOf(header) {
  const parser = new HeaderParser({ file: "the output" });
  parser.push(header);
  return parser.dataStart + parser.finish().dataBytes;
}
