// What is asked of the kernels: speed as a ratio to memcpy (`TypedArray.set` of as many f32) or to plain
// JavaScript, in the same round.

/**
 * memcpy on the machine that the targets were set on (Zen 4, Node 20), Gval/s. Newer cores copy with
 * registers four times as wide as WebAssembly's and are ahead by that much more, so a ratio to
 * memcpy alone would say that the same kernel became slower.
 */
const DESIGN_MEMCPY = { inCache: 14, outOfCache: 2.5 };

/** Values from which on a tensor is out of the cache. */
const CACHE_VALUES = 1 << 20;

/** A ratio in cache may depend on the engine; the first name that fits wins. */
const TARGETS = {
  absmax: { inCache: { memcpy: 1 }, outOfCache: { memcpy: 2.2 } },
  quantize: {
    inCache: { memcpy: { bun: 0.13, any: 0.16 }, tuned: 12, naive: 40 },
    outOfCache: { memcpy: 0.75 },
  },
  quantizeF16: { inCache: { memcpy: 0.1 }, outOfCache: { memcpy: 0.6 } },
  dequantize: {
    inCache: { memcpy: { bun: 0.35, "node 20": 0.5, any: 0.4 }, naive: 10 },
    outOfCache: { memcpy: 1.6 },
  },
  dequantizeHalf: {
    inCache: { memcpy: { "node 20": 0.6, any: 0.42 } },
    outOfCache: { memcpy: 2.4 },
  },
  quantizeInt8: { inCache: { memcpy: 0.2 }, outOfCache: { memcpy: 0.8 } },
  dequantizeInt8: { inCache: { memcpy: 0.55 }, outOfCache: { memcpy: 1.3 } },
  quantizeInt4: { inCache: { memcpy: 0.17 }, outOfCache: { memcpy: 0.75 } },
  dequantizeInt4: { inCache: { memcpy: 0.45 }, outOfCache: { memcpy: 1.4 } },
  quantizeDynamic8: { inCache: { memcpy: 0.06 }, outOfCache: {} },
  dequantizeDynamic8: { inCache: { memcpy: 0.2 }, outOfCache: {} },
  arraysQuantize: { inCache: {}, outOfCache: { memcpy: 0.45 } },
  arraysDequantize: { inCache: {}, outOfCache: { memcpy: 0.8 } },
};

/**
 * @param {string} engine "node 20", "node 26", "deno", "bun", "chromium" …
 * @param {number} count values
 * @returns {(name?: keyof typeof TARGETS) => Record<string, number>} ratios by what they are to
 */
export function targetsOf(engine, count) {
  const place = placeOf(count);
  return (name) => {
    if (name === undefined) return {};
    const own = Object.entries(TARGETS[name][place]);
    return Object.fromEntries(
      own.map(([base, ratio]) => [base, ratio[engine] ?? ratio.any ?? ratio]),
    );
  };
}

/** The rate in Gval/s that a ratio to memcpy meant where it was set. */
export function meantRate(ratio, count) {
  return ratio * DESIGN_MEMCPY[placeOf(count)];
}

export function isOutOfCache(count) {
  return count > CACHE_VALUES;
}

function placeOf(count) {
  return isOutOfCache(count) ? "outOfCache" : "inCache";
}
