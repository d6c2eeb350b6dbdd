import type { Socket } from 'node:net';

import { PORTS } from '#core/constants.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { Balancer } from './balancer.ts';
import { drain } from '../connection/drain.ts';
import type { DrainOptions } from '../connection/drain.ts';
import { resetSocket } from '../bytes/reset.ts';
import { Listener } from '../connection/listener.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { AdmittedPeer } from '../peer/admit.ts';
import { ConnectionRegistry } from '../connection/registry.ts';
import { Reporter } from '../refusals/reporter.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import { SocketSet } from '../connection/socket-set.ts';
import { formatAddress, isLoopback, localAddress } from '../original-destination/original-destination.ts';
import type { OriginalDestination, SocketAddress } from '../original-destination/original-destination.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import type { Resolver } from '../interfaces/resolver.ts';
import type { Upstream } from '../../config/upstream.ts';
import type { Transport } from '../transport/transport.ts';
import { Dialer } from './dialer.ts';
import { StreamClient } from './stream-client.ts';
import type { Wanted } from './stream-client.ts';
import { UpstreamListeners } from './upstream-listeners.ts';

export interface OutboundDeps {
  readonly identity: IdentitySource;
  readonly resolver: Resolver;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DataPlaneMetrics;
  readonly memory: MemoryBudget;
  readonly settings: DataPlaneSettings;
  /** Addresses of this pod: a connection to one of the sidecar's own ports there leads in a circle. */
  readonly podIPs: readonly string[];
  /** Where redirected connections arrive; absent in pods without redirection. */
  readonly transparent?: {
    readonly originalDestination: OriginalDestination;
    /** Default {@link PORTS}.outbound. */
    readonly port?: number;
  };
  /** For tests: numbers from 0 to below 1. */
  readonly random?: () => number;
}

const LOOPBACK_4 = ['127.0.0.1'];
const LOOPBACK_6 = ['::1'];
const OWN_PORTS: ReadonlySet<number> = new Set(Object.values(PORTS));

/** The way out of the pod: what the application dials is found in the mesh and reached under its name, or let pass. */
export class Outbound {
  readonly #deps: OutboundDeps;
  readonly #listeners: readonly Listener[];
  readonly #upstreams: UpstreamListeners;
  readonly #registry: ConnectionRegistry;
  readonly #sockets = new SocketSet();
  readonly #reporter: Reporter;
  readonly #client: StreamClient;
  #unsubscribe: () => void = () => undefined;
  #stopping: Promise<void> | undefined;

  constructor(deps: OutboundDeps) {
    const { clock, settings, transparent, metrics } = deps;
    this.#deps = deps;
    this.#registry = new ConnectionRegistry(clock);
    this.#reporter = new Reporter('outbound', deps);
    this.#client = new StreamClient({
      ...deps,
      dialer: new Dialer({ ...deps, balancer: new Balancer(deps) }),
      registry: this.#registry,
      reporter: this.#reporter,
      halfOpenIdleMs: settings.halfOpenIdleMs,
    });
    const port = transparent?.port ?? PORTS.outbound;
    const onConnection = (socket: Socket) => this.#redirected(socket);
    this.#listeners = transparent
      ? [LOOPBACK_4, LOOPBACK_6].map(
          (hosts) => new Listener({ hosts, port, near: true, metrics, onConnection }),
        )
      : [];
    this.#upstreams = new UpstreamListeners({
      ...deps,
      onConnection: (socket, to) => this.#upstream(socket, to),
    });
  }

  /** Connections that carry bytes. */
  get open(): number {
    return this.#registry.size;
  }

  /** The other ends of all that is open to services of the mesh. */
  peers(): Iterable<AdmittedPeer> {
    return this.#registry.peers();
  }

  /** Accepted connections, led anywhere or not yet. */
  get accepted(): number {
    return this.#sockets.size;
  }

  /** The port of the transparent listener (IPv4). */
  get port(): number {
    return this.#listeners[0]?.port ?? 0;
  }

  /** Port that was opened for an upstream; differs from `localPort` only where that is 0. */
  upstreamPort(localPort: number): number | undefined {
    return this.#upstreams.portOf(localPort);
  }

  /** @throws Error when the port of the transparent listener is taken. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#deps.identity.onChange(() => this.#registry.review());
    const [first, ...more] = this.#listeners;
    await first?.start();
    for (const listener of more) {
      // Machines without IPv6 have no ::1, and then nobody can be redirected to it either.
      await listener
        .start()
        .catch((error: unknown) => this.#deps.log.debug({ err: error }, 'no listener on ::1'));
    }
  }

  /** Opens and closes local ports so that exactly these are open. Connections of closed ones go on. */
  setUpstreams(upstreams: readonly Upstream[]): Promise<void> {
    return this.#upstreams.set(upstreams);
  }

  /** Goes out of service; resolves when the last connection is closed. Idempotent: the first call's times count. */
  stop(options: DrainOptions = { minimumMs: 0, deadlineMs: 0 }): Promise<void> {
    this.#stopping ??= this.#drain(options);
    return this.#stopping;
  }

  async #drain(options: DrainOptions): Promise<void> {
    const close = () => {
      for (const listener of this.#listeners) listener.close();
      this.#upstreams.stop();
    };
    await drain(
      { clock: this.#deps.clock, sockets: this.#sockets, registry: this.#registry, close },
      options,
    );
    this.#unsubscribe();
    this.#deps.transport.close();
  }

  #redirected(socket: Socket): void {
    const address = this.#deps.transparent?.originalDestination.of(socket);
    const loop = this.#loop(socket, address);
    if (loop || !address) {
      resetSocket(socket);
      const { svid } = this.#deps.identity.current() ?? {};
      const destination = address ? formatAddress(address) : 'unknown';
      this.#reporter.refused({ source: svid?.spiffeId ?? 'this pod', destination }, loop ?? UNKNOWN_ORIGIN);
      return;
    }
    this.#lead(socket, {
      resolve: () => this.#deps.resolver.resolve(address.address, address.port),
      address,
      destination: formatAddress(address),
    });
  }

  #upstream(socket: Socket, { service, port }: Upstream): void {
    this.#lead(socket, {
      resolve: () => this.#deps.resolver.upstream(service, port),
      destination: `${service.namespace}/${service.service}`,
    });
  }

  #lead(socket: Socket, wanted: Wanted): void {
    this.#sockets.add(socket);
    void this.#client.lead(socket, wanted);
  }

  /** Connections that would come back to this sidecar, again and again. */
  #loop(socket: Socket, destination: SocketAddress | undefined): ConnectionRefusal | undefined {
    if (!destination) return undefined;
    const own = localAddress(socket);
    if (own && own.address === destination.address && own.port === destination.port) {
      return new ConnectionRefusal(
        'loop',
        'the connection was not redirected but made to the sidecar itself',
      );
    }
    const here = isLoopback(destination.address) || this.#deps.podIPs.includes(destination.address);
    if (!here || !OWN_PORTS.has(destination.port)) return undefined;
    return new ConnectionRefusal('loop', 'the destination is a port of this very sidecar');
  }
}

const UNKNOWN_ORIGIN = new ConnectionRefusal(
  'unknown-destination',
  'the kernel does not know where this connection wanted to go',
);
