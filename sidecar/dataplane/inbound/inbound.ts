import type { Socket } from 'node:net';

import { canonicalAddress } from '#core/net/address.ts';

import { PORTS } from '#core/constants.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { ALPN_CONTROL } from '#core/wire.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import { admit } from '../peer/admit.ts';
import { drain } from '../connection/drain.ts';
import type { DrainOptions } from '../connection/drain.ts';
import { socketLeg } from '../bytes/leg.ts';
import { resetSocket } from '../bytes/reset.ts';
import { Listener } from '../connection/listener.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import { ConnectionRegistry } from '../connection/registry.ts';
import { Reporter } from '../refusals/reporter.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import { SocketSet } from '../connection/socket-set.ts';
import { originOf } from '../pending/origin.ts';
import type { Origin } from '../pending/origin.ts';
import { formatAddress } from '../original-destination/original-destination.ts';
import type { OriginalDestination, SocketAddress } from '../original-destination/original-destination.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import type { OwnService } from '../interfaces/own-service.ts';
import type { Siblings } from '../interfaces/siblings.ts';
import type { PolicySource } from '../interfaces/policy-source.ts';
import { ALPN_STREAM, ALPN_TUNNEL } from '../transport/alpn.ts';
import type { AppDialer } from './app-dialer.ts';
import { serveControl } from './control.ts';
import type { ControlHandler } from './control.ts';
import { CleartextLimits } from './cleartext-limits.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { StreamServer } from './stream-server.ts';
import { TlsAcceptor } from './tls-acceptor.ts';
import { TunnelServer } from './tunnel-server.ts';
import { Unadmitted } from './unadmitted.ts';

export interface InboundDeps {
  readonly identity: IdentitySource;
  readonly policy: PolicySource;
  readonly own: OwnService;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  readonly originalDestination: OriginalDestination;
  readonly app: AppDialer;
  /** Shared by all that peers can fill in this process. */
  readonly memory: MemoryBudget;
  readonly control?: ControlHandler;
  /** Ports whose application expects a PROXY protocol header. Default none. */
  readonly proxyProtocolPorts?: ReadonlySet<number>;
  /** The other processes of a sidecar that has several. */
  readonly siblings?: Siblings;
  /** Default {@link PORTS}.inbound on every address. */
  readonly listen?: { readonly hosts: readonly string[]; readonly port: number };
}

const EVERYWHERE = ['::', '0.0.0.0'];

/** The entry of the pod: everything that comes from outside comes through here and is let in, or not. */
export class Inbound {
  readonly #deps: InboundDeps;
  readonly #listener: Listener;
  readonly #unadmitted: Unadmitted;
  readonly #cleartextLimits: CleartextLimits;
  readonly #registry: ConnectionRegistry;
  readonly #sockets = new SocketSet();
  readonly #reporter: Reporter;
  readonly #streams: StreamServer;
  readonly #tunnels: TunnelServer;
  #unsubscribe: readonly (() => void)[] = [];
  #stopping: Promise<void> | undefined;

  constructor(deps: InboundDeps) {
    const { clock, settings, metrics } = deps;
    this.#deps = deps;
    this.#listener = new Listener({
      ...(deps.listen ?? { hosts: EVERYWHERE, port: PORTS.inbound }),
      metrics,
      onConnection: (raw) => this.#accept(raw),
    });
    this.#unadmitted = new Unadmitted({ ...deps, acceptor: new TlsAcceptor(deps) });
    this.#cleartextLimits = new CleartextLimits(deps);
    this.#registry = new ConnectionRegistry(clock);
    this.#reporter = new Reporter('inbound', deps);
    const reservedPorts = new Set<number>(Object.values(PORTS));
    this.#streams = new StreamServer({
      ...deps,
      gatekeeper: new Gatekeeper({ ...deps, reservedPorts }),
      registry: this.#registry,
      reporter: this.#reporter,
      halfOpenIdleMs: settings.halfOpenIdleMs,
    });
    this.#tunnels = new TunnelServer({ ...deps, streams: this.#streams });
  }

  /** The port that is listened on. */
  get port(): number {
    return this.#listener.port;
  }

  /** Connections that carry bytes. */
  get open(): number {
    return this.#registry.size;
  }

  /** Tunnels that other sidecars opened here. */
  get tunnels(): number {
    return this.#tunnels.open;
  }

  /** The other ends of all that is open. */
  *peers(): Iterable<AdmittedPeer> {
    yield* this.#registry.peers();
    yield* this.#tunnels.peers();
  }

  /** Accepted connections, let through or not. */
  get accepted(): number {
    return this.#sockets.size;
  }

  /** @throws Error when the port is taken. */
  async start(): Promise<void> {
    const review = () => {
      this.#registry.review();
      this.#tunnels.review();
    };
    const { policy, identity, own } = this.#deps;
    this.#unsubscribe = [policy.onChange(review), identity.onChange(review), own.onChange(review)];
    await this.#listener.start();
  }

  /** See {@link TunnelServer.renew}. */
  renewTunnel(hash: string, shown: readonly string[]): boolean {
    return this.#tunnels.renew(hash, shown);
  }

  /** Goes out of service; resolves when the last connection is closed. Idempotent: the first call's times count. */
  stop(options: DrainOptions = { minimumMs: 0, deadlineMs: 0 }): Promise<void> {
    this.#stopping ??= this.#drain(options);
    return this.#stopping;
  }

  async #drain(options: DrainOptions): Promise<void> {
    const close = () => {
      this.#listener.close();
      this.#streams.refuseNew();
      this.#tunnels.goAway();
    };
    await drain(
      { clock: this.#deps.clock, sockets: this.#sockets, registry: this.#registry, close },
      options,
    );
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #accept(raw: Socket): void {
    const { originalDestination, own } = this.#deps;
    const arrival = originalDestination.of(raw);
    const remote = canonicalAddress(raw.remoteAddress ?? '');
    if (remote === '') {
      raw.destroy();
      return;
    }
    this.#sockets.add(raw);
    const parties = {
      source: formatAddress({ address: remote, port: raw.remotePort ?? 0 }),
      destination: `${own.identity.namespace}/${own.identity.service}`,
      ...(arrival ? { port: arrival.port } : {}),
    };
    this.#serve(raw, arrival, originOf(remote)).catch((error: unknown) => {
      resetSocket(raw);
      if (error instanceof ConnectionRefusal) this.#reporter.refused(parties, error);
      else this.#reporter.bug(parties, error);
    });
  }

  /** Nothing of the application is touched before the peer is known and allowed. */
  async #serve(raw: Socket, arrival: SocketAddress | undefined, origin: Origin): Promise<void> {
    const redirected = arrival !== undefined && arrival.port !== this.#listener.port ? arrival : undefined;
    if (redirected && this.#deps.own.mtls() === 'permissive') return this.#cleartext(raw, redirected, origin);
    const { clock, metrics, memory, policy, control } = this.#deps;
    const started = clock.now();
    const { tls, trust, admission } = await this.#unadmitted.handshake(raw, origin);
    const leg = socketLeg(raw, tls);
    const peer = admit(tls, trust, clock.now(), 'server');
    metrics.handshake('inbound', clock.now() - started);
    const account = memory.account(peer.id, canonicalAddress(raw.remoteAddress ?? ''));
    if (tls.alpnProtocol === ALPN_TUNNEL) {
      if (policy.decide(peer.id, clock.now()).action === 'allow') admission.allowed();
      else admission.admitted();
      return this.#tunnels.serve(raw, tls, peer, account);
    }
    const connection = { peer, account, raw, admission };
    if (tls.alpnProtocol === ALPN_STREAM) return this.#streams.meshStream(leg, connection);
    if (tls.alpnProtocol === ALPN_CONTROL) return serveControl(leg, peer, control, this.#deps);
    return this.#streams.foreignPeer(leg, connection, redirected);
  }

  async #cleartext(raw: Socket, destination: SocketAddress, origin: Origin): Promise<void> {
    const spoke = this.#cleartextLimits.take(raw, origin);
    await this.#streams.plaintext(raw, destination);
    if (raw.bytesRead > 0) spoke();
    else raw.once('data', spoke);
  }
}
