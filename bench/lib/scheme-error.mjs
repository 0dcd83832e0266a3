// What a scheme does to weights: true size and error.

import { dequantize, quantize } from "quantwise";

/**
 * @param {Float32Array} weights
 * @returns {{ restored: Float32Array, bytes: number }} `bytes` with all scales, zero points, offsets
 */
export function roundTrip(weights, shape, options) {
  const record = quantize(weights, { ...options, shape });
  return { restored: dequantize(record), bytes: recordBytes(record) };
}

/** Bytes that differ from tensor to tensor: the level tables of a scheme are not among them. */
function recordBytes({ codes, absmax, scale, zeroPoint, scb, nested, tensorScale }) {
  const arrays = [codes, absmax, scale, zeroPoint, scb, nested?.absmax, nested?.ranges];
  const numbers = [nested?.offset, tensorScale].filter((number) => number !== undefined);
  const arrayBytes = arrays.reduce((sum, array) => sum + (array?.byteLength ?? 0), 0);
  return arrayBytes + 4 * numbers.length;
}

/**
 * Sums over any number of tensors: layers weigh in by their energy Σw².
 */
export class ErrorSums {
  elements = 0;
  bytes = 0;
  errorSquares = 0;
  squares = 0;
  /** Of the tensors added, the largest |w − w'| over that tensor's own σ. */
  largestOverSigma = 0;

  add(weights, restored, bytes) {
    const { errorSquares, squares, largest } = sumsOver(weights, restored, 0, weights.length);
    this.elements += weights.length;
    this.bytes += bytes;
    this.errorSquares += errorSquares;
    this.squares += squares;
    const sigma = Math.sqrt(squares / weights.length);
    if (sigma > 0) this.largestOverSigma = Math.max(this.largestOverSigma, largest / sigma);
  }

  get bitsPerWeight() {
    return (8 * this.bytes) / this.elements;
  }

  /** √(Σ(w − w')² / Σw²). */
  get relativeRms() {
    return Math.sqrt(this.errorSquares / this.squares);
  }

  get sqnrDb() {
    return 10 * Math.log10(this.squares / this.errorSquares);
  }
}

/** Σ(w − w')², Σw², max |w − w'| and the number of weights that became 0, over a range. */
export function sumsOver(weights, restored, start, end) {
  let errorSquares = 0;
  let squares = 0;
  let largest = 0;
  let zeros = 0;
  for (let i = start; i < end; i++) {
    const weight = weights[i];
    const error = weight - restored[i];
    errorSquares += error * error;
    squares += weight * weight;
    largest = Math.max(largest, Math.abs(error));
    if (restored[i] === 0) zeros++;
  }
  return { errorSquares, squares, largest, zeros };
}

/** What distinguishes one set of weights from another. */
export class WeightSums {
  elements = 0;
  tensors = 0;
  squares = 0;
  /** Largest |w| / σ of a tensor. */
  peak = 0;
  #kurtosis = 0;

  add(weights) {
    let squares = 0;
    let fourths = 0;
    let largest = 0;
    for (const weight of weights) {
      const square = weight * weight;
      squares += square;
      fourths += square * square;
      largest = Math.max(largest, square);
    }
    const variance = squares / weights.length;
    this.elements += weights.length;
    this.tensors++;
    this.squares += squares;
    this.peak = Math.max(this.peak, Math.sqrt(largest / variance));
    this.#kurtosis += (fourths / weights.length / variance ** 2) * weights.length;
  }

  get sigma() {
    return Math.sqrt(this.squares / this.elements);
  }

  /** Mean over the tensors by elements; 3 for a normal distribution. */
  get kurtosis() {
    return this.#kurtosis / this.elements;
  }
}
