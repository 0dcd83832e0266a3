/** Where the output goes: a file that the user chooses, or one that the browser then downloads. */

const PREFIX = "quantwise-";

/** In the private file system: a folder of this page's own, known by a lock that it holds. */
const folder = `${PREFIX}${crypto.randomUUID()}`;
navigator.locks?.request(folder, () => new Promise(() => {}));
removeOld();

/**
 * Must be called while a click is handled: browsers open dialogues for nothing else.
 *
 * @returns what worker.js takes; undefined when the user changed their mind
 */
export async function chooseTarget(name) {
  if (!("showSaveFilePicker" in window)) return { folder, name };
  try {
    const types = [{ accept: { "application/octet-stream": [".safetensors"] } }];
    return { handle: await window.showSaveFilePicker({ suggestedName: name, types }) };
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    throw error;
  }
}

/** A download may still go on in the tab that made it: a folder whose lock is held stays. */
async function removeOld() {
  const root = await navigator.storage?.getDirectory?.().catch(() => undefined);
  if (root === undefined) return;
  for await (const name of root.keys()) {
    if (!name.startsWith(PREFIX) || name === folder) continue;
    await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock !== null) await root.removeEntry(name, { recursive: true }).catch(() => {});
    });
  }
}
