// IEEE 754 binary32 on bit patterns. Devices may flush subnormals, contract and divide inexactly; integers they do not.

const QUIET_NAN = 0x7fc00000u;
const INFINITE = 0x7f800000u;

// sign, 2^(exponent - 150) * (mantissa + rest / 2^24), rounded to nearest even. mantissa has 24 bits, the first of them 1.
fn round_pack(sign: u32, exponent: i32, mantissa: u32, rest: u32) -> u32 {
  if (exponent >= 255) { return sign | INFINITE; }
  if (exponent >= 1) {
    let up = u32(rest > 0x800000u || (rest == 0x800000u && (mantissa & 1u) == 1u));
    return sign | ((u32(exponent) << 23u) + (mantissa & 0x7fffffu) + up);
  }
  let shift = u32(1 - exponent);
  if (shift > 24u) { return sign; }
  let kept = mantissa >> shift;
  let lost = mantissa & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  let up = u32(lost > half || (lost == half && (rest != 0u || (kept & 1u) == 1u)));
  return sign | (kept + up);
}

// (exponent, mantissa of 24 bits) of a finite number that is not 0.
fn unpack(bits: u32) -> vec2u {
  let exponent = (bits >> 23u) & 255u;
  let fraction = bits & 0x7fffffu;
  if (exponent != 0u) { return vec2u(exponent + 64u, fraction | 0x800000u); }
  let shift = countLeadingZeros(fraction) - 8u;
  return vec2u(65u - shift, fraction << shift);
}

fn multiply(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & 0x80000000u;
  let x = a & 0x7fffffffu;
  let y = b & 0x7fffffffu;
  if (x >= INFINITE || y >= INFINITE) {
    if (x > INFINITE || y > INFINITE || x == 0u || y == 0u) { return QUIET_NAN; }
    return sign | INFINITE;
  }
  if (x == 0u || y == 0u) { return sign; }
  let p = unpack(x);
  let q = unpack(y);
  let p1 = p.y >> 12u;
  let p0 = p.y & 0xfffu;
  let q1 = q.y >> 12u;
  let q0 = q.y & 0xfffu;
  let middle = p1 * q0 + p0 * q1;
  let low = p0 * q0 + ((middle & 0xfffu) << 12u);
  let high = p1 * q1 + (middle >> 12u) + (low >> 24u);
  let rest = low & 0xffffffu;
  let exponent = i32(p.x + q.x) - 255;
  if ((high & 0x800000u) != 0u) { return round_pack(sign, exponent + 1, high, rest); }
  return round_pack(sign, exponent, (high << 1u) | (rest >> 23u), (rest << 1u) & 0xffffffu);
}

// Of finite numbers; b is not 0.
fn divide(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & 0x80000000u;
  let x = a & 0x7fffffffu;
  if (x == 0u) { return sign; }
  let p = unpack(x);
  let q = unpack(b & 0x7fffffffu);
  var exponent = i32(p.x) - i32(q.x) + 127;
  var left = p.y;
  if (left < q.y) {
    left = left << 1u;
    exponent -= 1;
  }
  left -= q.y;
  var quotient = 1u;
  for (var digit = 0; digit < 3; digit++) {
    left = left << 8u;
    let part = left / q.y;
    left -= part * q.y;
    quotient = (quotient << 8u) | part;
  }
  let rest = ((quotient & 1u) << 23u) | u32(left != 0u);
  return round_pack(sign, exponent, quotient >> 1u, rest);
}

// Comparable as integers; -0 is 0.
fn ordered(bits: u32) -> i32 {
  let magnitude = i32(bits & 0x7fffffffu);
  return select(magnitude, -magnitude, (bits >> 31u) == 1u);
}

// Rounded to a whole number, ties to even; beyond 2^23 some number as large.
fn nearest_integer(bits: u32) -> i32 {
  let exponent = (bits >> 23u) & 255u;
  var whole = 0u;
  if (exponent >= 150u) {
    whole = 1u << 24u;
  } else if (exponent >= 126u) {
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let shift = 150u - exponent;
    let lost = mantissa & ((1u << shift) - 1u);
    let half = 1u << (shift - 1u);
    whole = mantissa >> shift;
    whole += u32(lost > half || (lost == half && (whole & 1u) == 1u));
  }
  return select(i32(whole), -i32(whole), (bits >> 31u) == 1u);
}

// A whole number below 2^24 in magnitude.
fn from_integer(value: i32) -> u32 {
  if (value == 0) { return 0u; }
  let magnitude = u32(abs(value));
  let shift = countLeadingZeros(magnitude) - 8u;
  return select(0u, 0x80000000u, value < 0) | (((150u - shift) << 23u) + ((magnitude << shift) & 0x7fffffu));
}

fn widen_half(bits: u32) -> u32 {
  let sign = (bits & 0x8000u) << 16u;
  let exponent = (bits >> 10u) & 31u;
  let fraction = bits & 0x3ffu;
  if (exponent == 31u) { return sign | INFINITE | (fraction << 13u); }
  if (exponent != 0u) { return sign | ((exponent + 112u) << 23u) | (fraction << 13u); }
  if (fraction == 0u) { return sign; }
  let shift = countLeadingZeros(fraction) - 21u;
  return sign | ((113u - shift) << 23u) | (((fraction << shift) & 0x3ffu) << 13u);
}

fn narrow_half(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let x = bits & 0x7fffffffu;
  if (x > INFINITE) { return 0x7e00u; }
  if (x >= 0x477ff000u) { return sign | 0x7c00u; }
  if (x >= 0x38800000u) {
    let rebased = x - 0x38000000u;
    return sign | ((rebased + 0xfffu + ((rebased >> 13u) & 1u)) >> 13u);
  }
  let exponent = x >> 23u;
  if (exponent < 102u) { return sign; }
  let mantissa = (x & 0x7fffffu) | 0x800000u;
  let shift = 126u - exponent;
  let kept = mantissa >> shift;
  let lost = mantissa & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  return sign | (kept + u32(lost > half || (lost == half && (kept & 1u) == 1u)));
}

fn narrow_brain(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > INFINITE) { return 0x7fc0u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}
