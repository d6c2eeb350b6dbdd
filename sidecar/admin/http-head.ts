/** The longest head of a request: its first line and its headers. */
export const MAX_HEAD_BYTES = 8_192;

const END = Buffer.from('\r\n\r\n');
const CAPITAL_A = 0x41;
const CAPITAL_Z = 0x5a;

/** What a connection to an HTTP port begins with. */
export type Head = { readonly bytes: number } | 'not-http';

/**
 * Finds the end of a request's head (RFC 9112, section 2.1). What is inside of it is read by Node.
 *
 * @param bytes all that came so far
 * @param from where what is new in them begins
 * @returns undefined while more must come
 */
export function headOf(bytes: Buffer, from: number): Head | undefined {
  const [first] = bytes;
  if (first === undefined) return undefined;
  if (first < CAPITAL_A || first > CAPITAL_Z) return 'not-http';
  const end = bytes.indexOf(END, Math.max(0, from - END.length + 1));
  return end < 0 ? undefined : { bytes: end + END.length };
}
