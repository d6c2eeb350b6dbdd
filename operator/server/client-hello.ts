import type { Socket } from 'node:net';

/** What a connection to a TLS port begins with, as far as it is there. */
export type Greeting = 'complete' | 'incomplete' | 'malformed';

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MAX_RECORD_BYTES = 16_384;
/** A ClientHello may come in several records; no client needs many. */
const MAX_RECORDS = 16;

/** The longest ClientHello that is taken, with the headers of its records. Those of today's clients have 0.5 to 3 KB. */
export const MAX_GREETING_BYTES = MAX_RECORD_BYTES + MAX_RECORDS * RECORD_HEADER_BYTES;

/**
 * Whether the first bytes of a connection are a whole ClientHello (RFC 8446, sections 4 and 5.1). Nothing inside of it is looked
 * at: that is for TLS, whose state is made only when all of it is there.
 *
 * @param bytes all that came so far
 */
export function greetingOf(bytes: Buffer): Greeting {
  let missing: number | undefined;
  let at = 0;
  for (let records = 0; records < MAX_RECORDS; records++) {
    const record = recordAt(bytes, at);
    if (typeof record === 'string') return record;
    const { fragment, length } = record;
    missing ??= messageLength(fragment, length);
    if (missing === undefined) return 'incomplete';
    missing -= fragment.length;
    if (missing <= 0) return 'complete';
    if (missing > MAX_RECORD_BYTES) return 'malformed';
    if (fragment.length < length) return 'incomplete';
    at += RECORD_HEADER_BYTES + length;
  }
  return 'malformed';
}

/** What is there of the record that begins at `at`. */
function recordAt(
  bytes: Buffer,
  at: number,
): { readonly fragment: Buffer; readonly length: number } | 'incomplete' | 'malformed' {
  if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return 'malformed';
  if (bytes.length < at + RECORD_HEADER_BYTES) return 'incomplete';
  const length = bytes.readUInt16BE(at + 3);
  if (bytes[at + 1] !== 3 || length === 0 || length > MAX_RECORD_BYTES) return 'malformed';
  const begin = at + RECORD_HEADER_BYTES;
  return { fragment: bytes.subarray(begin, begin + length), length };
}

/**
 * The length of a ClientHello with its header; infinite for another message, and where the first record has not all of the header,
 * which is a rule of ours; undefined while that is not there.
 */
function messageLength(fragment: Buffer, length: number): number | undefined {
  if (length < MESSAGE_HEADER_BYTES || (fragment.length > 0 && fragment[0] !== CLIENT_HELLO)) return Infinity;
  if (fragment.length < MESSAGE_HEADER_BYTES) return undefined;
  return MESSAGE_HEADER_BYTES + fragment.readUIntBE(1, 3);
}

const FIRST_BYTES = 1_024;

/**
 * Reads until it is known what a connection begins with, and puts what it read back. What comes in small pieces is copied
 * together: each piece by itself would take many times its size.
 */
export function readGreeting(socket: Socket, done: (greeting: 'complete' | 'malformed') => void): void {
  let held = Buffer.alloc(0);
  let length = 0;
  const append = (chunk: Buffer): void => {
    if (length + chunk.length > held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * held.length, length + chunk.length));
      held.copy(larger, 0, 0, length);
      held = larger;
    }
    length += chunk.copy(held, length);
  };
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    append(chunk);
    const bytes = held.subarray(0, length);
    const greeting = length > MAX_GREETING_BYTES ? 'malformed' : greetingOf(bytes);
    if (greeting === 'incomplete') return;
    socket.off('readable', onReadable);
    if (greeting === 'complete') socket.unshift(bytes);
    done(greeting);
  };
  socket.on('readable', onReadable);
}
