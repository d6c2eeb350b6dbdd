import type { Socket } from 'node:net';

import type { Clock } from '#kube/clock.ts';

import { ConnectError, connectTo } from '../connection/connect.ts';
import { Refusal } from '../connection/refusal.ts';
import type { DataPlaneSettings } from '../connection/settings.ts';

/** Where the application of this pod is reached. */
export interface AppAddress {
  readonly address: string;
  /** The loopback address to come from, so that the redirection knows the connection as one of the sidecar's to its application. */
  readonly localAddress?: string;
}

/** The addresses reserved for connections from sidecar to application (the redirection lets them pass). */
const FROM_SIDECAR_4 = '127.0.0.6';
const FROM_SIDECAR_6 = '::6';

/**
 * Where to look for the application, in this order: transparent pods at the pod's own addresses (as it would be reached
 * without a mesh, so that programs bound to one address work), then on loopback; others on loopback only.
 */
export function appAddresses(podIPs: readonly string[], transparent: boolean): readonly AppAddress[] {
  const loopback: AppAddress[] = [{ address: '127.0.0.1' }];
  if (podIPs.some((ip) => ip.includes(':'))) loopback.push({ address: '::1' });
  if (!transparent) return loopback;
  return [...podIPs.flatMap(podAddresses), ...loopback];
}

/** `::6` is nobody's address until redirection puts it on the loopback interface, which not every pod lets it do. */
function podAddresses(address: string): readonly AppAddress[] {
  if (!address.includes(':')) return [{ address, localAddress: FROM_SIDECAR_4 }];
  return [{ address, localAddress: FROM_SIDECAR_6 }, { address }];
}

/** Nobody listens there: the next address may do better. Anything else would fail in the same way again. */
const TRY_NEXT = new Set([
  'ECONNREFUSED',
  'EADDRNOTAVAIL',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAFNOSUPPORT',
  'EINVAL',
]);

/** Connects to the application of this pod. */
export class AppDialer {
  readonly #addresses: readonly AppAddress[];
  readonly #clock: Clock;
  readonly #settings: DataPlaneSettings;

  constructor(deps: {
    readonly addresses: readonly AppAddress[];
    readonly clock: Clock;
    readonly settings: DataPlaneSettings;
  }) {
    this.#addresses = deps.addresses;
    this.#clock = deps.clock;
    this.#settings = deps.settings;
  }

  /**
   * @param signal gives up
   * @throws Refusal `app-unreachable`
   */
  dial(port: number, signal: AbortSignal): Promise<Socket> {
    return this.#dialFirst(this.#addresses, port, signal);
  }

  /**
   * One address and no other: a port that is not declared must not open what the application keeps on loopback.
   *
   * @throws Refusal `app-unreachable`
   */
  dialAt(address: string, port: number, signal: AbortSignal): Promise<Socket> {
    const known = this.#addresses.find((candidate) => candidate.address === address);
    return this.#dialFirst([known ?? { address }], port, signal);
  }

  async #dialFirst(addresses: readonly AppAddress[], port: number, signal: AbortSignal): Promise<Socket> {
    const { connectMs: timeoutMs } = this.#settings;
    let problem = 'no address is known';
    for (const { address, localAddress } of addresses) {
      const from = localAddress === undefined ? {} : { localAddress };
      try {
        const socket = await connectTo({
          address,
          port,
          ...from,
          near: true,
          lean: true,
          timeoutMs,
          clock: this.#clock,
          signal,
        });
        socket.on('error', () => undefined);
        return socket;
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        problem = error.message;
        if (!TRY_NEXT.has(error.code)) break;
      }
    }
    throw new Refusal('app-unreachable', `the application does not answer on port ${port}: ${problem}`);
  }
}
