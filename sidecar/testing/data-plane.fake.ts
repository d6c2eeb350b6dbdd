import { FakeLog } from '#base/testing/log.fake.ts';
import { systemClock } from '#base/clock.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import type { Svid } from '#pki/svid.ts';

import { DEFAULT_SETTINGS } from '../dataplane/interfaces/settings.ts';
import type { DataPlaneSettings } from '../dataplane/interfaces/settings.ts';
import { AppDialer } from '../dataplane/inbound/app-dialer.ts';
import { Inbound } from '../dataplane/inbound/inbound.ts';
import type { InboundDeps } from '../dataplane/inbound/inbound.ts';
import { MemoryBudget } from '../dataplane/memory/memory-budget.ts';
import { FakeOriginalDestination } from '../dataplane/original-destination/original-destination.fake.ts';
import { Outbound } from '../dataplane/outbound/outbound.ts';
import { TunnelTransport } from '../dataplane/tunnel/tunnel-transport.ts';
import { FakeApp, FakeClient } from './app.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { freePort } from '#base/testing/free-port.fake.ts';
import { FakeMetrics } from './metrics.fake.ts';
import { FakeIdentity, FakeOwnService, FakePolicy, FakeResolver, FakeTarget } from './sources.fake.ts';

export const WEB = { namespace: 'shop', service: 'web' };
/** What peers may fill in each sidecar, bytes. */
const MEMORY_BYTES = 268_435_456;
export const DB = { namespace: 'shop', service: 'db' };

/** A pod of `db`: application and the inbound half of its sidecar, on a loopback address of its own. */
export interface ServerPod {
  readonly address: string;
  readonly app: FakeApp;
  readonly inbound: Inbound;
  readonly identity: FakeIdentity;
  readonly metrics: FakeMetrics;
  readonly log: FakeLog;
  readonly originalDestination: FakeOriginalDestination;
  readonly memory: MemoryBudget;
}

export interface ServerPodOptions {
  readonly app?: FakeApp;
  readonly svid?: Svid;
  readonly inbound?: Partial<InboundDeps>;
}

/**
 * Two sidecars on loopback with real sockets and real certificates: `web` (the outbound half) and pods of `db` (the inbound
 * half, each at its own address of 127.0.0.0/8, all at one port).
 */
export class FakeMesh {
  readonly pki: TestPki;
  readonly settings: DataPlaneSettings;
  readonly policy = new FakePolicy();
  readonly own: FakeOwnService;
  readonly target: FakeTarget;
  readonly resolver = new FakeResolver();
  readonly web: {
    identity: FakeIdentity;
    metrics: FakeMetrics;
    log: FakeLog;
    originalDestination: FakeOriginalDestination;
    memory: MemoryBudget;
  };
  readonly outbound: Outbound;
  readonly pods: ServerPod[] = [];
  readonly #inboundPort: number;
  readonly #clients: FakeClient[] = [];
  readonly #extra: (() => Promise<void> | void)[] = [];

  private constructor(
    pki: TestPki,
    webSvid: Svid,
    inboundPort: number,
    settings: Partial<DataPlaneSettings>,
  ) {
    this.pki = pki;
    this.settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#inboundPort = inboundPort;
    this.own = new FakeOwnService(DB, []);
    this.target = new FakeTarget(DB, pki.spiffeId(DB), []);
    this.resolver.byName.set('shop/db', this.target);
    this.resolver.byAddress.set('10.0.0.1:5432', this.target);
    this.web = {
      identity: new FakeIdentity(webSvid, pki.bundle),
      metrics: new FakeMetrics(),
      log: new FakeLog(),
      originalDestination: new FakeOriginalDestination(),
      memory: new MemoryBudget(MEMORY_BYTES, systemClock),
    };
    const shared = { ...this.web, clock: systemClock, settings: this.settings };
    this.outbound = new Outbound({
      ...shared,
      resolver: this.resolver,
      transport: new TunnelTransport({ ...shared, port: inboundPort }),
      podIPs: ['127.0.0.1'],
      transparent: { originalDestination: this.web.originalDestination, port: 0 },
    });
  }

  /** A mesh with `pods` pods of db (default one), an open upstream port at web, and everything allowed. */
  static async start(
    options: {
      readonly pods?: number;
      readonly app?: () => FakeApp;
      readonly settings?: Partial<DataPlaneSettings>;
    } = {},
  ): Promise<FakeMesh> {
    const pki = await TestPki.create();
    const mesh = new FakeMesh(pki, await pki.svid(WEB), await freePort(), options.settings ?? {});
    await mesh.outbound.start();
    await mesh.outbound.setUpstreams([{ localPort: 0, service: mesh.target.service }]);
    for (let index = 0; index < (options.pods ?? 1); index++) {
      await mesh.addPod(options.app ? { app: options.app() } : {});
    }
    return mesh;
  }

  /** The only pod, or the first. */
  get db(): ServerPod {
    return this.pods[0]!;
  }

  get upstreamPort(): number {
    return this.outbound.upstreamPort(0)!;
  }

  async addPod(options: ServerPodOptions = {}): Promise<ServerPod> {
    const address = `127.0.1.${this.pods.length + 1}`;
    const app = await (options.app ?? new FakeApp()).start(address);
    const identity = new FakeIdentity(options.svid ?? (await this.pki.svid(DB)), this.pki.bundle);
    const pod = {
      address,
      app,
      identity,
      metrics: new FakeMetrics(),
      log: new FakeLog(),
      originalDestination: new FakeOriginalDestination(),
      memory: options.inbound?.memory ?? new MemoryBudget(MEMORY_BYTES, systemClock),
    };
    const shared = { ...pod, clock: systemClock, settings: this.settings };
    const inbound = new Inbound({
      ...shared,
      policy: this.policy,
      own: this.own,
      app: new AppDialer({ ...shared, addresses: [{ address }] }),
      listen: { hosts: [address], port: this.#inboundPort },
      ...options.inbound,
    });
    await inbound.start();
    const made = { ...pod, inbound };
    this.pods.push(made);
    this.own.set({ ports: this.pods.map((one) => one.app.port) });
    this.target.set(this.pods.map((one) => ({ address: one.address, port: one.app.port })));
    return made;
  }

  /** Port of every inbound listener. */
  get inboundPort(): number {
    return this.#inboundPort;
  }

  /** An application beside web's sidecar that dials the upstream port. */
  async connect(): Promise<FakeClient> {
    return this.track(await FakeClient.connect(this.upstreamPort));
  }

  /** An application beside web's sidecar that dialed `address` and was redirected. */
  async dial(address: string, port: number): Promise<FakeClient> {
    this.web.originalDestination.next = { address, port };
    return this.track(await FakeClient.connect(this.outbound.port));
  }

  track(client: FakeClient): FakeClient {
    this.#clients.push(client);
    return client;
  }

  /** Runs at the end of the test. */
  onStop(action: () => Promise<void> | void): void {
    this.#extra.push(action);
  }

  /** Ends everything, and throws when anything is left of any connection. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const action of this.#extra) await action();
    await this.outbound.stop();
    for (const pod of this.pods) {
      await pod.inbound.stop();
      await pod.app.stop();
    }
    const sum = (count: (pod: ServerPod) => number) =>
      this.pods.reduce((total, pod) => total + count(pod), 0);
    const left = () => ({
      outboundOpen: this.outbound.open,
      outboundAccepted: this.outbound.accepted,
      inboundOpen: sum((pod) => pod.inbound.open),
      inboundAccepted: sum((pod) => pod.inbound.accepted),
      targetsHeld: this.target.held,
      memory: this.web.memory.fixed + sum((pod) => pod.memory.fixed),
      listeners:
        this.policy.listeners + this.own.listeners + this.target.listeners + this.web.identity.listeners,
    });
    const nothing = () => Object.values(left()).every((count) => count === 0);
    await eventually(nothing, { withinMs: 2_000 }).catch(() => {
      throw new Error(`left behind: ${JSON.stringify(left())}`);
    });
  }
}
