import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Clock } from '#base/clock.ts';

import { ConnectError, connectTo } from '../connection/connect.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';

/** Where the application of this pod is reached. */
export interface AppAddress {
  readonly address: string;
  /** The loopback address to come from, so that the redirection knows the connection as one of the sidecar's to its application. */
  readonly localAddress?: string;
  /** Set where only programs of this pod can connect to. */
  readonly loopback?: true;
}

/** The addresses reserved for connections from sidecar to application (the redirection lets them pass). */
const FROM_SIDECAR_4 = '127.0.0.6';
const FROM_SIDECAR_6 = '::6';

/**
 * Where to look for the application for peers of the mesh and for probes, in this order: transparent pods at the pod's own
 * addresses (as it would be reached without a mesh, so that programs bound to one address work), then on loopback; others on
 * loopback only. So an application that trusts who comes from loopback trusts whom the intentions let in.
 */
export function appAddresses(podIPs: readonly string[], transparent: boolean): readonly AppAddress[] {
  const loopback: AppAddress[] = [{ address: '127.0.0.1', loopback: true }];
  if (podIPs.some((ip) => ip.includes(':'))) loopback.push({ address: '::1', loopback: true });
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
   * @throws ConnectionRefusal `app-unreachable`
   */
  dial(port: number, signal: AbortSignal): Promise<Socket> {
    return this.#dialFirst(this.#addresses, port, signal);
  }

  /**
   * Connects as a client without a mesh would have: to the address of this pod that it dialed and to no other, and not from a
   * loopback address either. Programs take who comes to or from loopback for a local user (Redis' protected mode, PostgreSQL's
   * `trust` for 127.0.0.1, admin pages); a caller that was not authenticated must not be one.
   *
   * @throws ConnectionRefusal `app-unreachable`; `unknown-destination` where the address is not one of this pod, as when a neighbour leads
   *   packets for another host through it
   */
  async dialAt(address: string, port: number, signal: AbortSignal): Promise<Socket> {
    if (!this.#isOfPod(address)) {
      throw new ConnectionRefusal(
        'unknown-destination',
        `${address} is not an address of this pod, so nothing is led there`,
      );
    }
    return this.#dialFirst([{ address }], port, signal);
  }

  /** Pods may have more networks than those of which their status knows. */
  #isOfPod(address: string): boolean {
    if (this.#addresses.some((known) => known.address === address && !known.loopback)) return true;
    const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return interfaces.some((known) => known.address === address && !known.internal);
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
    throw new ConnectionRefusal(
      'app-unreachable',
      `the application does not answer on port ${port}: ${problem}`,
    );
  }
}
