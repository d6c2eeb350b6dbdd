import type { SpiffeId } from '#core/spiffe-id.ts';

import type { SocketAddress } from '../original-destination/original-destination.ts';

/**
 * Headers of the PROXY protocol, version 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2): what a
 * proxy says to a server about the connection that it relays, before the first byte. Why so: docs/decisions/0029-proxy-protocol.md.
 */

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Version 2 in the upper four bits, the command in the lower. */
const [LOCAL, PROXY] = [0x20, 0x21];
/** Address family in the upper four bits, SOCK_STREAM in the lower. */
const [UNSPECIFIED, TCP4, TCP6] = [0x00, 0x11, 0x21];

const PP2_TYPE_SSL = 0x20;
const PP2_SUBTYPE_SSL_VERSION = 0x21;
/** PP2_CLIENT_SSL, PP2_CLIENT_CERT_CONN and PP2_CLIENT_CERT_SESS: TLS, and a certificate on this very connection. */
const CLIENT_WITH_CERTIFICATE = 0x07;
/** `verify` of PP2_TYPE_SSL: the certificate was shown and is good. */
const VERIFIED = 0;

/** Of the range for applications (0xE0 to 0xEF): the SPIFFE ID of the caller, UTF-8, without a zero at its end. */
export const PP2_TYPE_SPIFFE_ID = 0xe5;

export interface CallerHeader {
  /** The caller as it is seen here. */
  readonly source: SocketAddress;
  /** The address and port of this pod that it wants. */
  readonly destination: SocketAddress;
  /** Who it proved to be by mutual TLS. Absent for cleartext: nothing is said about who that is. */
  readonly spiffeId?: SpiffeId;
}

/** The header for a connection that is relayed for a caller. Pure. */
export function callerHeader({ source, destination, spiffeId }: CallerHeader): Buffer {
  const ipv6 = [source, destination].some(({ address }) => address.includes(':'));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const addresses = [source, destination].map(({ address }) => addressBytes(address, ipv6));
  return header(PROXY, ipv6 ? TCP6 : TCP4, Buffer.concat([...addresses, ports, ...identity(spiffeId)]));
}

/** The header for a connection of the sidecar's own, such as a probe: the command LOCAL, and nothing else. */
export const LOCAL_HEADER: Buffer = header(LOCAL, UNSPECIFIED, Buffer.alloc(0));

function identity(spiffeId: SpiffeId | undefined): readonly Buffer[] {
  if (spiffeId === undefined) return [];
  const client = Buffer.alloc(5);
  client.writeUInt8(CLIENT_WITH_CERTIFICATE, 0);
  client.writeUInt32BE(VERIFIED, 1);
  const version = tlv(PP2_SUBTYPE_SSL_VERSION, Buffer.from('TLSv1.3'));
  return [
    tlv(PP2_TYPE_SSL, Buffer.concat([client, version])),
    tlv(PP2_TYPE_SPIFFE_ID, Buffer.from(spiffeId)),
  ];
}

function header(command: number, family: number, rest: Buffer): Buffer {
  const fixed = Buffer.alloc(4);
  fixed.writeUInt8(command, 0);
  fixed.writeUInt8(family, 1);
  fixed.writeUInt16BE(rest.length, 2);
  return Buffer.concat([SIGNATURE, fixed, rest]);
}

function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(3);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, value]);
}

/** An address in network byte order; an IPv4 address among IPv6 ones as `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2). */
function addressBytes(address: string, ipv6: boolean): Buffer {
  if (!address.includes(':')) {
    const bytes = Buffer.from(address.split('.').map(Number));
    return ipv6 ? Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), bytes]) : bytes;
  }
  const [withoutZone = ''] = address.split('%');
  // The URL parser writes every IPv6 address as groups of hexadecimal digits with one "::" at most.
  const [head = '', tail] = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
