/** Ends a pipeline in which nothing moves any more: a sender or a reader went silent. */

/**
 * @param position says how far it is
 * @param stop ends it, with the reason
 * @returns ends the watch
 */
export function watch(ms, position, stop) {
  let last = position();
  const timer = setInterval(() => {
    const now = position();
    if (now === last) stop(new Error(`nothing moved for ${ms / 1000} s`));
    last = now;
  }, ms);
  return () => clearInterval(timer);
}
