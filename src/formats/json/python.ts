/** How Python's `json.dumps` spells numbers and strings. */

/**
 * Python's `repr` of a double, which is what `json.dumps` prints: the shortest digits that read
 * back, an exponent when it is below −4 or from 16 on, with two digits at least, and always a
 * fraction or an exponent: `1.0`, `9.5e-05`, `1e+16`, `-0.0`. NaN and the infinities are bare words.
 */
export function pythonFloat(x: number): string {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x < 0 ? "-Infinity" : "Infinity";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  const sign = x < 0 ? "-" : "";
  const [mantissa, power] = Math.abs(x).toExponential().split("e") as [string, string];
  const digits = mantissa.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/**
 * A string as `json.dumps` prints it with `ensure_ascii` (its default): quotes, short escapes, and
 * `\uxxxx` in lowercase for everything outside printable ASCII, one for each UTF-16 unit.
 */
export function pythonString(text: string): string {
  // JSON.stringify agrees on printable ASCII, on control characters and on lone surrogates.
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
