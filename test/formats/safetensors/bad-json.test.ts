import { type BadFile, describeBadFiles, entryText, fileOf } from "./files.ts";

const good = entryText("a", "F32", "[2]", "[0,8]");

const FILES: readonly BadFile[] = [
  [
    "an empty file",
    new Uint8Array(0),
    "the file ends after 0 bytes, expected 8 of header length",
    undefined,
    0,
  ],
  [
    "a file of 7 bytes",
    new Uint8Array(7),
    "the file ends after 7 bytes, expected 8 of header length",
    undefined,
    0,
  ],
  ["header length 0", fileOf("", 4), "the header's length is 0, expected at least 2", undefined, 0],
  [
    "a header that reaches beyond the file",
    fileOf(`{${good}}`, 8).subarray(0, 40),
    "the header's length is 54 bytes, the file has 32 bytes behind its length",
    undefined,
    0,
  ],
  [
    "a header length beyond the limit",
    new Uint8Array([0, 0, 0, 0x40, 0, 0, 0, 0, 0x7b]),
    "the header's length is 1073741824 bytes, at most 536870912 are allowed",
    undefined,
    0,
  ],
  [
    "a header length of 2^64 − 1",
    new Uint8Array(16).fill(255),
    "the header's length is 18446744073709551615 bytes, at most 536870912 are allowed",
    undefined,
    0,
  ],
  [
    "a header that does not begin with {",
    fileOf(" {}"),
    "the header begins with byte 0x20, expected {",
    undefined,
    8,
  ],
  [
    "a byte order mark",
    fileOf("\ufeff{}"),
    "the header begins with byte 0xef, expected {",
    undefined,
    8,
  ],
  [
    "a header of one byte",
    fileOf("{"),
    "the text ends where a key in double quotes or } is expected",
    undefined,
    9,
  ],
  ["a header cut inside a string", fileOf('{"a'), "the text ends inside a string", undefined, 11],
  [
    "text behind the header's end",
    fileOf("{}x"),
    "unexpected x, expected nothing but spaces after the end",
    undefined,
    10,
  ],
  [
    "NUL padding",
    fileOf("{}\0"),
    "unexpected byte 0x00, expected nothing but spaces after the end",
    undefined,
    10,
  ],
  [
    "a trailing comma",
    fileOf(`{${good},}`, 8),
    "unexpected }, expected a key in double quotes",
    undefined,
    62,
  ],
  ["two commas", fileOf("{,}"), "unexpected ,, expected a key in double quotes or }", undefined, 9],
  [
    "a bare key",
    fileOf("{a:1}"),
    "unexpected a, expected a key in double quotes or }",
    undefined,
    9,
  ],
  [
    "a mismatched bracket",
    fileOf('{"a":{"shape":[1}}'),
    "unexpected }, expected a comma or the end of the object or array",
    "a",
    24,
  ],
  [
    "a control character in a name",
    fileOf('{"a\nb":1}'),
    "control character 0x0a in a string, expected an escape",
    undefined,
    11,
  ],
  [
    "an unknown escape",
    fileOf('{"\\x":1}'),
    'unknown escape \\x, expected one of " \\ / b f n r t u',
    undefined,
    11,
  ],
  [
    "a bad \\u escape",
    fileOf('{"\\u00g0":1}'),
    "g in a \\u escape, expected four hexadecimal digits",
    undefined,
    14,
  ],
  [
    "a lone high surrogate",
    fileOf('{"\\ud800":1}'),
    "a \\u escape for half of a surrogate pair",
    undefined,
    16,
  ],
  [
    "a lone low surrogate",
    fileOf('{"\\udc00":1}'),
    "a \\u escape for half of a surrogate pair",
    undefined,
    15,
  ],
  [
    "a high surrogate before another escape",
    fileOf('{"\\ud800\\n":1}'),
    "a \\u escape for half of a surrogate pair",
    undefined,
    17,
  ],
  [
    "bad UTF-8 in a name",
    fileOf(latin1('{"a\xff":1}')),
    "byte 0xff in a string is not valid UTF-8",
    undefined,
    11,
  ],
  [
    "an encoded surrogate",
    fileOf(latin1('{"\xed\xa0\x80":1}')),
    "byte 0xed in a string is not valid UTF-8",
    undefined,
    10,
  ],
  [
    "an overlong form",
    fileOf(latin1('{"\xc0\xaf":1}')),
    "byte 0xc0 in a string is not valid UTF-8",
    undefined,
    10,
  ],
  [
    "bad UTF-8 between tokens",
    fileOf(latin1("{\xff}")),
    "unexpected byte 0xff, expected a key in double quotes or }",
    undefined,
    9,
  ],
  ["an array in front", fileOf("[]"), "the header begins with [, expected {", undefined, 8],
];

describeBadFiles("A header that is no JSON object is refused", FILES);

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}
