/** What two ends of a TLS connection agreed on, as far as it crosses the wire in the clear. */
export interface Agreed {
  readonly version: string;
  readonly cipher: string;
  /** The group of the key exchange; absent in TLS 1.2, which names it elsewhere. */
  readonly group?: string;
  /** An earlier session went on (TLS 1.3 only). */
  readonly resumed: boolean;
}

const VERSIONS: Readonly<Record<number, string>> = { 0x0303: 'TLS 1.2', 0x0304: 'TLS 1.3' };
const CIPHERS: Readonly<Record<number, string>> = {
  0x1301: 'TLS_AES_128_GCM_SHA256',
  0x1302: 'TLS_AES_256_GCM_SHA384',
  0x1303: 'TLS_CHACHA20_POLY1305_SHA256',
  0xc02b: 'ECDHE-ECDSA-AES128-GCM-SHA256',
};
const GROUPS: Readonly<Record<number, string>> = {
  0x0017: 'P-256',
  0x0018: 'P-384',
  0x001d: 'X25519',
  0x11ec: 'X25519MLKEM768',
};

const HANDSHAKE_RECORD = 22;
const SERVER_HELLO = 2;
const [PRE_SHARED_KEY, SUPPORTED_VERSIONS, KEY_SHARE] = [41, 43, 51];
/** The first bytes of the random value by which a ServerHello says that it is a request for another ClientHello (RFC 8446, 4.1.3). */
const RETRY = Buffer.from('cf21ad74e59a6111', 'hex');

/**
 * Reads the ServerHello (RFC 8446, 4.1.3) at the beginning of what a server sends.
 *
 * @returns undefined when it is not complete yet, or there is none
 */
export function parseServerHello(sent: Buffer): Agreed | undefined {
  for (let at = 0; at + 5 <= sent.length; at += 5 + sent.readUInt16BE(at + 3)) {
    const record = sent.subarray(at + 5, at + 5 + sent.readUInt16BE(at + 3));
    if (sent[at] !== HANDSHAKE_RECORD || record[0] !== SERVER_HELLO) continue;
    if (record.subarray(6, 6 + RETRY.length).equals(RETRY)) continue;
    return parseBody(record.subarray(4));
  }
  return undefined;
}

function parseBody(body: Buffer): Agreed | undefined {
  try {
    const cipherAt = 35 + body.readUInt8(34);
    const extensions = readExtensions(
      body.subarray(cipherAt + 5, cipherAt + 5 + body.readUInt16BE(cipherAt + 3)),
    );
    const version = extensions.get(SUPPORTED_VERSIONS)?.readUInt16BE(0) ?? body.readUInt16BE(0);
    const group = extensions.get(KEY_SHARE)?.readUInt16BE(0);
    const cipher = body.readUInt16BE(cipherAt);
    return {
      version: VERSIONS[version] ?? hex(version),
      cipher: CIPHERS[cipher] ?? hex(cipher),
      ...(group === undefined ? {} : { group: GROUPS[group] ?? hex(group) }),
      resumed: extensions.has(PRE_SHARED_KEY),
    };
  } catch (error) {
    // Read beyond its end: the rest has not come yet.
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_') === true) return undefined;
    throw error;
  }
}

function readExtensions(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    found.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, end));
    at = end;
  }
  return found;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
