/** What an inbound connection begins with; `malformed` begins like TLS and cannot be a ClientHello. */
export type Greeting = 'tls' | 'cleartext' | 'malformed';

/** TLS records (RFC 8446, section 5.1) and handshake messages (section 4). */
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MAX_RECORD_BYTES = 16_384;
/** A ClientHello may come in several records; no client needs many. */
const MAX_RECORDS = 16;

/** The longest ClientHello that is taken: what one record can hold. Those of today's clients have 0.5 to 3 KB. */
export const MAX_CLIENT_HELLO_BYTES = MAX_RECORD_BYTES;

/** The longest ClientHello with its records' headers. */
export const MAX_GREETING_BYTES = MAX_CLIENT_HELLO_BYTES + MAX_RECORDS * RECORD_HEADER_BYTES;

/**
 * Whether the first bytes of a connection are a whole ClientHello. Nothing inside of it is looked at: that is TLS's own matter,
 * which begins when all of it is there.
 *
 * @param bytes all that came so far
 * @returns undefined while more must come
 */
export function greetingOf(bytes: Buffer): Greeting | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] !== HANDSHAKE_RECORD) return 'cleartext';
  let message = 0;
  let wanted: number | undefined;
  for (let at = 0, records = 0; ; records++) {
    if (bytes.length < at + RECORD_HEADER_BYTES) return undefined;
    const length = bytes.readUInt16BE(at + 3);
    const isHandshake = bytes[at] === HANDSHAKE_RECORD && bytes[at + 1] === 3;
    if (!isHandshake || length < leastLength(records) || length > MAX_RECORD_BYTES) return 'malformed';
    at += RECORD_HEADER_BYTES;
    if (records === 0) wanted = messageLength(bytes.subarray(at, at + length));
    if (wanted === undefined) return undefined;
    if (wanted > MAX_CLIENT_HELLO_BYTES || records === MAX_RECORDS) return 'malformed';
    message += Math.min(length, bytes.length - at);
    if (message >= wanted) return 'tls';
    if (bytes.length < at + length) return undefined;
    at += length;
  }
}

/** Fragments may not be empty; that the first one has the whole header of the message is a rule of ours. */
function leastLength(record: number): number {
  return record === 0 ? MESSAGE_HEADER_BYTES : 1;
}

/** Of a ClientHello with its header; infinite for another message; undefined while its header is not there. */
function messageLength(fragment: Buffer): number | undefined {
  if (fragment.length > 0 && fragment[0] !== CLIENT_HELLO) return Infinity;
  if (fragment.length < MESSAGE_HEADER_BYTES) return undefined;
  return MESSAGE_HEADER_BYTES + fragment.readUIntBE(1, 3);
}
