/** How much a JSON text may hold before anything parses it. */
export interface JsonLimits {
  /** Values and keys; what they become in memory is many times the text. */
  readonly values: number;
  /** Lists and objects inside one another. */
  readonly depth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Why a JSON text is too much to be parsed (RFC 8259 lets a parser set limits, section 9); undefined when it is not. One pass
 * over the bytes, which need be no JSON at all.
 */
export function jsonSizeFault(text: Uint8Array, { values, depth }: JsonLimits): string | undefined {
  let found = 1;
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    if (byte === QUOTE) at = endOfString(text, at);
    else if (byte === COMMA || byte === COLON) found += 1;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      found += 1;
      open += 1;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) open -= 1;
    if (found > values) return `the body holds more than ${values} values`;
    if (open > depth) return `the body holds lists and objects more than ${depth} deep`;
  }
  return undefined;
}

/** Where the string that begins at `from` ends; the end of the text when it does not. */
function endOfString(text: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}
