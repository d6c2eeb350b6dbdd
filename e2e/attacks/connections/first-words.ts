import { clientHello } from '#core/net/client-hello.fake.ts';

/** What a connection of an attacker says at first, and what it never gets to say. */
export type Behaviour =
  | 'silent'
  | 'eleven-bytes'
  | 'large-hello'
  | 'dribbled-hello'
  | 'whole-hello'
  | 'half-request'
  | 'dribbled-request'
  | 'large-headers'
  | 'pipelined'
  | 'unread-metrics'
  | 'unfinished-body'
  | 'over-and-over'
  | 'other-protocol'
  | 'fragmented-hello'
  | 'half-closed-hello';

/** What is written, and how; what comes is read unless `unread`, and our side is ended behind it if `ends`. */
export interface FirstWords {
  readonly bytes: Buffer;
  /** A piece so often, milliseconds; all at once where absent. */
  readonly everyMs?: number;
  /** Bytes of a piece. Default one. */
  readonly piece?: number;
  readonly unread?: boolean;
  readonly ends?: boolean;
}

const DRIBBLE_MS = 50;
const REQUEST = 'GET /metrics HTTP/1.1\r\nHost: sidecar\r\n';

const HELLO = await clientHello();

/**
 * @param behaviour by name, as it stands in the order of an attacker
 * @param path that a request asks for
 */
export function firstWords(behaviour: Behaviour, path = '/metrics'): FirstWords {
  return WORDS[behaviour](path);
}

const WORDS: Readonly<Record<Behaviour, (path: string) => FirstWords>> = {
  silent: () => ({ bytes: Buffer.alloc(0) }),
  'eleven-bytes': () => ({ bytes: HELLO.subarray(0, 11) }),
  'large-hello': () => ({ bytes: unfinishedLargeHello() }),
  'dribbled-hello': () => ({ bytes: HELLO, everyMs: DRIBBLE_MS }),
  'fragmented-hello': () => ({ bytes: fragmented(HELLO).subarray(0, -1), everyMs: DRIBBLE_MS, piece: 40 }),
  'whole-hello': () => ({ bytes: HELLO }),
  'half-closed-hello': () => ({ bytes: HELLO, ends: true }),
  'half-request': () => ({ bytes: text(REQUEST) }),
  'dribbled-request': () => ({ bytes: text(`${REQUEST}X: ${'x'.repeat(4_000)}`), everyMs: DRIBBLE_MS }),
  'large-headers': () => ({ bytes: text(`${REQUEST}X: ${'x'.repeat(60_000)}`) }),
  pipelined: () => ({ bytes: text(`${REQUEST}\r\n`.repeat(1_500)), unread: true }),
  'unread-metrics': () => ({ bytes: text(`${REQUEST}\r\n`), unread: true }),
  'unfinished-body': () => ({
    bytes: text(`${REQUEST}Content-Length: 1000000\r\n\r\n${'x'.repeat(1_000)}`),
  }),
  'other-protocol': () => ({ bytes: text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') }),
  'over-and-over': (path) => ({ bytes: text(`GET ${path} HTTP/1.1\r\nHost: sidecar\r\n\r\n`) }),
};

function text(words: string): Buffer {
  return Buffer.from(words, 'latin1');
}

/** The same ClientHello in records of forty bytes. */
function fragmented(hello: Buffer): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += 40) {
    const fragment = message.subarray(at, at + 40);
    records.push(Buffer.from([0x16, 3, 1, 0, fragment.length]), fragment);
  }
  return Buffer.concat(records);
}

/** The largest record that TLS allows, with a ClientHello as large, except for its last bytes. */
function unfinishedLargeHello(): Buffer {
  const bytes = Buffer.alloc(16_000, 0x61);
  bytes.set([0x16, 3, 1, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc, 3, 3]);
  return bytes;
}
