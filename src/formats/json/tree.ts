/** JSON as a tree that keeps each number's spelling and each object's order. */

export type JsonValue = JsonObject | JsonArray | JsonString | JsonNumber | JsonBoolean | JsonNull;

export interface JsonObject {
  readonly kind: "object";
  readonly members: ReadonlyMap<string, JsonValue>;
}

export interface JsonArray {
  readonly kind: "array";
  readonly items: readonly JsonValue[];
}

export interface JsonString {
  readonly kind: "string";
  readonly value: string;
}

export interface JsonNumber {
  readonly kind: "number";
  /** As it is spelled; NaN, Infinity and -Infinity included. */
  readonly text: string;
}

export interface JsonBoolean {
  readonly kind: "boolean";
  readonly value: boolean;
}

export interface JsonNull {
  readonly kind: "null";
}

export const JSON_NULL: JsonNull = { kind: "null" };

export function jsonString(value: string): JsonString {
  return { kind: "string", value };
}

export function jsonBoolean(value: boolean): JsonBoolean {
  return { kind: "boolean", value };
}

/** @param text  a spelling that JSON allows; `pythonFloat(6)` for `6.0`, `"64"` for an integer */
export function jsonNumber(text: string): JsonNumber {
  return { kind: "number", text };
}

export function jsonArray(items: Iterable<JsonValue>): JsonArray {
  return { kind: "array", items: [...items] };
}

/** Later members replace earlier ones of the same name. */
export function jsonObject(members: Iterable<readonly [string, JsonValue]>): JsonObject {
  return { kind: "object", members: new Map(members) };
}

/** A copy of the object with this member set; a new one goes to the end. */
export function withMember(object: JsonObject, key: string, value: JsonValue): JsonObject {
  return { kind: "object", members: new Map(object.members).set(key, value) };
}

/** A copy of the object without this member. */
export function withoutMember(object: JsonObject, key: string): JsonObject {
  const members = new Map(object.members);
  members.delete(key);
  return { kind: "object", members };
}

/** The member of that name; undefined when `value` is no object or has none. */
export function memberOf(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return value?.kind === "object" ? value.members.get(key) : undefined;
}

/** The string, or undefined for anything else. */
export function stringOf(value: JsonValue | undefined): string | undefined {
  return value?.kind === "string" ? value.value : undefined;
}

/** The number as a double, or undefined for anything else. */
export function numberOf(value: JsonValue | undefined): number | undefined {
  return value?.kind === "number" ? Number(value.text) : undefined;
}

/** The boolean, or undefined for anything else. */
export function booleanOf(value: JsonValue | undefined): boolean | undefined {
  return value?.kind === "boolean" ? value.value : undefined;
}
