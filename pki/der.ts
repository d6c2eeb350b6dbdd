/** The few lines of DER (X.690) that certificates and requests for them need besides the library. */

/** One DER value: tag, length, content. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthBytes(content.length), content]);
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  if (length < 0x10000) return Buffer.from([0x82, length >> 8, length & 0xff]);
  throw new RangeError(`DER value of ${length} bytes: longer than anything this writer is for`);
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest.flatMap(base128)];
  return der(TAG.oid, Buffer.from(bytes));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[0]`, constructed: attributes of a certificate request, version of a certificate, permitted subtrees, a hash. */
  context0: 0xa0,
  /** `[1]`, constructed: excluded subtrees. */
  context1: 0xa1,
  /** `[3]`, constructed: extensions of a certificate. */
  context3: 0xa3,
  /** `[0]`, primitive: the key in an authority key identifier. */
  keyId: 0x80,
  /** `[2]` and `[6]`, primitive: names in a GeneralName. */
  dnsName: 0x82,
  uri: 0x86,
} as const;

/**
 * The values inside one constructed DER value. Unlike the library's reader, it takes no byte after the end of the value, at
 * no level it is asked about.
 *
 * @throws RangeError when `value` is not exactly one constructed value of this tag with a definite length in its shortest form.
 */
export function children(tag: number, value: Uint8Array): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = contentAt(tag, value); at < value.length;) {
    const { end } = valueAt(value, at);
    found.push(value.subarray(at, end));
    at = end;
  }
  return found;
}

/**
 * The content of one DER value of a primitive kind.
 *
 * @throws RangeError as {@link children}
 */
export function contentOf(tag: number, value: Uint8Array): Uint8Array {
  return value.subarray(contentAt(tag, value));
}

function contentAt(tag: number, value: Uint8Array): number {
  const outer = valueAt(value, 0);
  if (outer.tag !== tag || outer.end !== value.length)
    throw new RangeError('not exactly one DER value of the expected kind');
  return outer.contentAt;
}

interface Extent {
  readonly tag: number;
  readonly contentAt: number;
  readonly end: number;
}

function valueAt(bytes: Uint8Array, at: number): Extent {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f)
    throw new RangeError('DER value that cannot be read');
  const lengthSize = first < 0x80 ? 0 : first - 0x80;
  let length = first < 0x80 ? first : 0;
  for (let index = 0; index < lengthSize; index += 1) length = length * 256 + (bytes[at + 2 + index] ?? 0);
  const shortest = first < 0x80 || (length >= 0x80 && lengthSize <= 3 && length >= 256 ** (lengthSize - 1));
  const contentAt = at + 2 + lengthSize;
  if (!shortest || contentAt + length > bytes.length) throw new RangeError('DER value of a wrong length');
  return { tag, contentAt, end: contentAt + length };
}
