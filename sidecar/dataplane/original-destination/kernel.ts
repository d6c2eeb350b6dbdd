import type { Socket } from 'node:net';

import { canonicalAddress } from '#core/net/address.ts';

import { loadLibc } from './libc.ts';
import type { OriginalDestination, SocketAddress } from './original-destination.ts';
import { parseSockaddr } from './sockaddr.ts';

/** getsockopt(2) levels and the one option, the same number for both (linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h). */
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const SOCKADDR_MAX = 28;

type GetSockOpt = (fd: number, level: number, name: number, value: Buffer, length: number[]) => number;

/**
 * Asks the kernel's connection tracking (`SO_ORIGINAL_DST`). Node has no getsockopt, so libc is called directly; that takes
 * microseconds and no capability.
 *
 * @throws Error when libc cannot be called; without it a transparent sidecar must not start
 */
export async function kernelOriginalDestination(): Promise<OriginalDestination> {
  const getsockopt = await loadGetSockOpt();
  return { of: (socket) => originalDestinationOf(socket, getsockopt) };
}

async function loadGetSockOpt(): Promise<GetSockOpt> {
  try {
    return (await loadLibc()).func(
      'int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)',
    ) as GetSockOpt;
  } catch (error) {
    throw new Error(
      `cannot call getsockopt of the C library, which transparent redirection needs (${String(error)}); ` +
        'use the image\'s own Node, or set the annotation mesh/transparent: "false"',
      { cause: error },
    );
  }
}

function originalDestinationOf(socket: Socket, getsockopt: GetSockOpt): SocketAddress | undefined {
  const fd = fileDescriptor(socket);
  const remote = socket.remoteAddress;
  if (fd === undefined || remote === undefined) return undefined;
  const level = canonicalAddress(remote).includes(':') ? SOL_IPV6 : SOL_IP;
  const value = Buffer.alloc(SOCKADDR_MAX);
  const length = [SOCKADDR_MAX];
  if (getsockopt(fd, level, SO_ORIGINAL_DST, value, length) !== 0) return undefined;
  return parseSockaddr(value.subarray(0, length[0]));
}

/** Node has no public way to the descriptor of a socket; this one is the same from Node 18 to 24 and guarded by a test. */
function fileDescriptor(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
