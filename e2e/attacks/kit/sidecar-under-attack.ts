import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { freePort } from '#base/testing/free-port.fake.ts';
import type { Svid } from '#pki/svid.ts';
import { FakeApp } from '#sidecar/testing/app.fake.ts';

import type { SidecarOrder } from '../../../bench/dataplane/mesh/child.ts';
import { ControlPlane } from '../../../bench/dataplane/mesh/control-plane.ts';
import { LegitimateLoad } from './legitimate-load.ts';
import { MemoryLimit, forgetPeakResident, peakResident, processorSeconds, resident } from './memory-limit.ts';
import { Shipped, imageEnvironment, shippedMemoryLimit } from './shipped.ts';

const READY_MS = 30_000;
/** Where the kubelet asks how the application of the attacked sidecar does: injection makes such a path for each probe. */
const PROBE_KEY = `app/readiness-${'5'.repeat(32)}`;
export const PROBE_PATH = `/probe/${PROBE_KEY}`;
/** Each at an address of its own, as pods are. The attacker has all others of 127.0.0.0/8. */
export const ADDRESSES = {
  db: '127.0.0.1',
  web: '127.0.0.2',
  peer: '127.0.0.3',
  hostile: '127.0.0.4',
} as const;

export interface AttackOptions {
  /**
   * Whose sidecar has the memory that the chart gives it and is measured: that of `shop/db`, which takes connections, or that of
   * `shop/web`, which opens them. Then `hostilePort` leads from web's application to whatever listens as the sidecar of
   * `shop/hostile`, at `inboundPort` of its address.
   */
  readonly attacked?: 'db' | 'web';
}

/**
 * The sidecar of `shop/db` as it ships, limited to the memory that the chart gives it, in front of an application that echoes;
 * beside it `shop/web`, which may call it. Everything else is denied. All ports are at 127.0.0.1.
 */
export class SidecarUnderAttack {
  readonly control: ControlPlane;
  /** Where peers connect. */
  readonly inboundPort: number;
  /** The port for probes and metrics. */
  readonly adminPort: number;
  readonly app: FakeApp;
  readonly limit: MemoryLimit;
  readonly #shipped: Shipped;
  readonly #db: ChildProcess;
  readonly #web: ChildProcess;
  readonly #webSvid: Svid;
  readonly #upstreamPort: number;
  /** A port of web's application that leads to `shop/hostile`. */
  readonly hostilePort: number;
  readonly #attacked: ChildProcess;
  readonly #loads: LegitimateLoad[] = [];

  private constructor(made: {
    control: ControlPlane;
    ports: { inbound: number; admin: number; upstream: number; hostile: number };
    app: FakeApp;
    limit: MemoryLimit;
    shipped: Shipped;
    processes: { db: ChildProcess; web: ChildProcess };
    attacked: 'db' | 'web';
    webSvid: Svid;
  }) {
    this.control = made.control;
    this.inboundPort = made.ports.inbound;
    this.adminPort = made.ports.admin;
    this.#upstreamPort = made.ports.upstream;
    this.hostilePort = made.ports.hostile;
    this.#attacked = made.processes[made.attacked];
    this.app = made.app;
    this.limit = made.limit;
    this.#shipped = made.shipped;
    this.#db = made.processes.db;
    this.#web = made.processes.web;
    this.#webSvid = made.webSvid;
  }

  static async start({ attacked = 'db' }: AttackOptions = {}): Promise<SidecarUnderAttack> {
    const shipped = await Shipped.prepare();
    const app = await new FakeApp().start();
    const control = await ControlPlane.start(app.port);
    const bundle = await shipped.bundle('bench/dataplane/mesh/child.ts', 'child');
    const ports = {
      inbound: await freePort(),
      admin: await freePort(),
      upstream: await freePort(),
      hostile: await freePort(),
    };
    control.addService('hostile', { address: ADDRESSES.hostile, port: app.port });
    const limit = new MemoryLimit(shippedMemoryLimit('sidecar'));
    const start = (service: 'web' | 'db', order: Partial<SidecarOrder>) => {
      const [program, ...args] =
        service === attacked ? limit.command(shipped.node, [bundle]) : ([shipped.node, bundle] as const);
      return spawn(program, args, {
        stdio: ['ignore', 'ignore', 'ignore'],
        env: {
          ...process.env,
          ...imageEnvironment('sidecar'),
          NODE_COMPILE_CACHE: shipped.dir,
          MESH_SERVICE: service,
          POD_NAME: `${service}-1`,
          POD_NAMESPACE: 'shop',
          POD_UID: `uid-${service}`,
          POD_IPS: ADDRESSES[service],
          POD_SERVICE_ACCOUNT: service,
          MESH_NAMESPACE: 'mesh-system',
          MESH_TRUST_DOMAIN: 'cluster.local',
          MESH_TRANSPARENT: 'false',
          MESH_OPERATOR_URL: control.operatorUrl(service),
          MESH_CA_TOKEN_FILE: shipped.file('token', 'a-token'),
          ...(service === 'web' ? { MESH_UPSTREAMS: `db:${ports.upstream},hostile:${ports.hostile}` } : {}),
          ...(service === 'db'
            ? { MESH_PROBES: JSON.stringify({ [PROBE_KEY]: { tcpSocket: { port: app.port } } }) }
            : {}),
          MESH_BENCH_ORDER: JSON.stringify({
            api: control.apiUrl,
            apiCaPem: control.apiCaPem,
            transport: 'default',
            peerPort: ports.inbound,
            ...(service === attacked ? { adminPort: ports.admin } : {}),
            ...order,
          }),
        },
      });
    };
    const processes = {
      db: start('db', { inboundPort: ports.inbound }),
      web: start('web', { inboundPort: 0 }),
    };
    const webSvid = await control.pki.svid({ namespace: 'shop', service: 'web' });
    const parts = { control, ports, app, limit, shipped, processes, attacked, webSvid };
    const made = new SidecarUnderAttack(parts);
    await made.#ready();
    return made;
  }

  /**
   * Ordinary use: kept connections through web's sidecar; new ones as single TLS connections of a peer with web's identity, or
   * through web's sidecar as well, where that is the one that is attacked.
   */
  async load(): Promise<LegitimateLoad> {
    const port = this.#upstreamPort;
    const through =
      this.#attacked === this.#web ? () => connect({ port, host: ADDRESSES.db }) : () => this.connect();
    const load = await LegitimateLoad.open({ port, connect: through });
    this.#loads.push(load);
    return load;
  }

  /** A TLS connection of web's identity to the attacked sidecar, from an address of its own. */
  connect(localAddress: string = ADDRESSES.peer): TLSSocket {
    const { certChainPem: cert, keyPem: key } = this.#webSvid;
    const to = { host: ADDRESSES.db, port: this.inboundPort, localAddress };
    return tlsConnect({ ...to, cert, key, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  }

  /** A certificate of a service of the mesh; only `shop/web` is allowed, all others are denied. */
  identity(service: string): Promise<Svid> {
    return this.control.pki.svid({ namespace: 'shop', service });
  }

  /** Processor time that the attacked sidecar has used, seconds. */
  get processorSeconds(): number {
    return processorSeconds(this.#pid);
  }

  /** Memory that the attacked sidecar has now, bytes. */
  get residentBytes(): number {
    return resident(this.#pid);
  }

  /** The most memory that the attacked sidecar ever had, or has had since {@link forgetPeak}, bytes. */
  get peakBytes(): number {
    return peakResident(this.#pid);
  }

  /** Measures the peak from now on. */
  forgetPeak(): void {
    forgetPeakResident(this.#pid);
  }

  /** What the attacked sidecar says about itself, in Prometheus' text format. */
  async metrics(): Promise<string> {
    return (await fetch(`http://${ADDRESSES.db}:${this.adminPort}/metrics`)).text();
  }

  /** Whether it still runs: neither ended by itself nor killed for its memory. */
  get isAlive(): boolean {
    const { exitCode, signalCode } = this.#attacked;
    return exitCode === null && signalCode === null && !this.limit.killed;
  }

  async stop(): Promise<void> {
    for (const load of this.#loads) load.close();
    await Promise.all([this.#db, this.#web].map(end));
    await this.app.stop();
    await this.control.stop();
    await this.limit.remove();
    this.#shipped.close();
  }

  get #pid(): number {
    return this.#attacked.pid ?? 0;
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      if (!this.isAlive) throw new Error('the sidecar has ended before it was attacked');
      if (await this.#answers()) return;
      if (Date.now() > deadline) throw new Error(`the sidecar was not ready within ${READY_MS / 1000} s`);
      await sleep(100);
    }
  }

  async #answers(): Promise<boolean> {
    try {
      const load = await LegitimateLoad.open({ port: this.#upstreamPort, connect: () => this.connect() });
      load.close();
      return true;
    } catch {
      return false;
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
