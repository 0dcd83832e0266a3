/** Figures of a comparison as people read them. Infinite ones are words: they have a reason. */

/** Three significant digits, without needless zeros in front: "0.0931", "12.3", "4.1e-7". */
export function formatSignificant(value: number, digits = 3): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return infinite(value);
  const magnitude = Math.abs(value);
  if (magnitude < 1e-4 || magnitude >= 1e6) {
    return value.toExponential(digits - 1).replace(/\.?0*e\+?/, "e");
  }
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)));
  return value.toFixed(decimals);
}

/** A share in percent, three significant digits: "9.31 %", "0.000412 %". */
export function formatShare(share: number): string {
  return Number.isFinite(share) ? `${formatSignificant(share * 100)} %` : infinite(share);
}

/** "20.6 dB"; "∞ dB" for equal tensors. */
export function formatDecibels(decibels: number): string {
  return `${Number.isFinite(decibels) ? decibels.toFixed(1) : infinite(decibels)} dB`;
}

/** "1,234,567". */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** "1 tensor", "1,234 tensors". */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function infinite(value: number): string {
  return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "-∞";
}
