/** A reader of PROXY protocol headers for tests, written from the specification and sharing nothing with what writes them. */
export interface ReadHeader {
  readonly command: 'LOCAL' | 'PROXY';
  readonly family: 'UNSPEC' | 'TCP4' | 'TCP6';
  readonly source?: { readonly address: string; readonly port: number };
  readonly destination?: { readonly address: string; readonly port: number };
  /** Every TLV, type to value. */
  readonly tlvs: ReadonlyMap<number, Buffer>;
  readonly spiffeId?: string;
  /** What follows the header. */
  readonly rest: Buffer;
}

const COMMANDS = new Map([
  [0x20, 'LOCAL'],
  [0x21, 'PROXY'],
] as const);
const FAMILIES = new Map([
  [0x00, ['UNSPEC', 0]],
  [0x11, ['TCP4', 4]],
  [0x21, ['TCP6', 16]],
] as const);

/** @returns undefined while the header is not complete; @throws Error for what is not a header */
export function readHeader(bytes: Buffer): ReadHeader | undefined {
  if (bytes.length < 16) return undefined;
  if (bytes.toString('latin1', 0, 12) !== '\r\n\r\n\0\r\nQUIT\n') throw new Error('no signature');
  const command = COMMANDS.get(bytes[12] as 0x20);
  const [family, size] = FAMILIES.get(bytes[13] as 0x11) ?? [];
  if (!command || family === undefined || size === undefined) throw new Error('unknown command or family');
  const end = 16 + bytes.readUInt16BE(14);
  if (bytes.length < end) return undefined;
  const end1 = 16 + size;
  const end2 = end1 + size;
  const tlvs = size === 0 ? new Map<number, Buffer>() : readTlvs(bytes.subarray(end2 + 4, end));
  return {
    command,
    family,
    ...(size === 0
      ? {}
      : {
          source: { address: text(bytes.subarray(16, end1)), port: bytes.readUInt16BE(end2) },
          destination: { address: text(bytes.subarray(end1, end2)), port: bytes.readUInt16BE(end2 + 2) },
        }),
    tlvs,
    ...(tlvs.has(0xe5) ? { spiffeId: tlvs.get(0xe5)!.toString() } : {}),
    rest: bytes.subarray(end),
  };
}

function readTlvs(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length;) {
    const value = bytes.subarray(at + 3, at + 3 + bytes.readUInt16BE(at + 1));
    if (value.length !== bytes.readUInt16BE(at + 1)) throw new Error('a TLV is cut short');
    found.set(bytes[at]!, value);
    at += 3 + value.length;
  }
  return found;
}

function text(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
