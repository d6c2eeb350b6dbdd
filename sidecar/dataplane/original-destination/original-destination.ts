import type { Socket } from 'node:net';

import { canonicalAddress } from '#core/net/address.ts';

/** An IP address and a port. The address is in its plain spelling: no brackets, no `::ffff:`. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** Tells where a connection wanted to go before the redirection led it to this process. */
export interface OriginalDestination {
  /**
   * The destination the peer dialed; for a connection that was not redirected its local address. Must be asked as soon as the
   * connection is accepted.
   *
   * @returns undefined when it cannot be said; the connection must then be refused
   */
  of(socket: Socket): SocketAddress | undefined;
}

/** For pods without redirection (`mesh/transparent: "false"`): everybody wanted to come here. */
export const withoutRedirection: OriginalDestination = { of: localAddress };

/** The local end of a connection; undefined when it is closed already. */
export function localAddress(socket: Socket): SocketAddress | undefined {
  const { localAddress: address, localPort: port } = socket;
  return address === undefined || port === undefined
    ? undefined
    : { address: canonicalAddress(address), port };
}

/** The remote end of a connection; undefined when it is closed already. */
export function remoteAddress(socket: Socket): SocketAddress | undefined {
  const { remoteAddress: address, remotePort: port } = socket;
  return address === undefined || port === undefined
    ? undefined
    : { address: canonicalAddress(address), port };
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Whether an address is the machine's own loopback. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
