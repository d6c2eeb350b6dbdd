import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { namespaceName, serviceName } from '#core/names.ts';
import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { CATALOG_ENTRIES, INTENTIONS, MESH_CONFIGS, MESH_SERVICES } from '#kube/types.ts';
import type { Svid } from '#pki/svid.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { LevelLog } from '../admin/level-log.ts';
import { entry, meshService } from '../sources/catalog/objects.fake.ts';
import { LOCAL_REQUEST_HEADER } from '../admin/local-request.ts';
import { SLICES } from '../sources/catalog/slice.ts';
import { readConfig } from '../config/config.ts';
import { FakeOperator } from '../sources/identity/fake-operator.fake.ts';
import { FakeOriginalDestination } from '../dataplane/original-destination/original-destination.fake.ts';
import { Sidecar } from '../process/sidecar.ts';
import { FakeApp, FakeClient } from '../testing/app.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { freePort } from '#base/testing/free-port.fake.ts';
import { meshConfigOf } from '../sources/trust/trust.fake.ts';
import type { SidecarOrder } from './sidecar-process.fake.ts';

const ROOT = join(import.meta.dirname, '../..');
const DB_ADDRESS = '127.0.4.1';

/** One line of a sidecar's log. */
export type Line = Readonly<Record<string, unknown>>;

/** What a request to an admin port was answered. */
export interface FetchedPage {
  readonly status: number;
  readonly body: string;
}

/**
 * `db` on several cores, as real processes, and clients of it in this one, with a fake API server and a fake operator between
 * them. Whatever is made here is gone after `close`.
 */
export class ManyCores {
  readonly api: FakeApiServer;
  readonly app: FakeApp;
  readonly lines: Line[] = [];
  readonly adminPort: number;
  readonly localPort: number;
  readonly inboundPort: number;
  readonly upstreamPort: number;
  readonly #outboundPort: number;
  readonly #closing: (() => unknown)[];
  readonly #start: { readonly env: Record<string, string>; readonly pki: TestPki; readonly dir: string };
  #child: ChildProcess | undefined;
  #exit: Promise<{ readonly code: number | null; readonly signal: string | null }> | undefined;

  private constructor(made: Made) {
    this.api = made.api;
    this.app = made.app;
    const [inbound = 0, admin = 0, local = 0, upstream = 0, outbound = 0] = made.ports;
    this.inboundPort = inbound;
    this.adminPort = admin;
    this.localPort = local;
    this.upstreamPort = upstream;
    this.#outboundPort = outbound;
    this.#closing = made.closing;
    this.#start = made;
  }

  /** Everything but the sidecars. */
  static async prepare(behave?: ConstructorParameters<typeof FakeApp>[0]): Promise<ManyCores> {
    const pki = await TestPki.create();
    const api = await FakeApiServer.started();
    const app = await new FakeApp(behave).start(DB_ADDRESS);
    const dir = await mkdtemp(join(tmpdir(), 'mesh-cores-'));
    await writeFile(join(dir, 'token'), 'a-token');
    await bundleInto(dir);
    const operator = await FakeOperator.start(identityOf('db'), pki);
    const ports = [];
    for (let count = 0; count < 5; count++) ports.push(await freePort());
    const env = { ...environmentOf('db', DB_ADDRESS, dir), MESH_OPERATOR_URL: operator.url };
    api.put(MESH_CONFIGS, meshConfigOf([pki]));
    const port = { port: 5432, targetPort: app.port };
    for (const name of ['web', 'db']) {
      const services = name === 'db' ? [{ name, clusterIPs: [], headless: false, ports: [port] }] : [];
      api.put(MESH_SERVICES, meshService(name));
      api.put(CATALOG_ENTRIES, entry(name, { services }));
    }
    api.put(SLICES, {
      metadata: { name: 'db-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: app.port, protocol: 'TCP' }],
      endpoints: [{ addresses: [DB_ADDRESS], conditions: { ready: true } }],
    });
    const closing = [
      () => rm(dir, { recursive: true }),
      () => app.stop(),
      () => api.close(),
      () => operator.stop(),
    ];
    return new ManyCores({ pki, api, app, dir, env, ports, closing });
  }

  /** The primary's process id; 0 before the start. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** How the primary ended, when it has. */
  get exit(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    return this.#exit ?? Promise.reject(new Error('not started'));
  }

  /** What the processes wrote that is not a line of a log. */
  stderr = '';

  start(cores: number, more: Readonly<Record<string, string>> = {}): void {
    const order: SidecarOrder = {
      api: this.api.url,
      listen: {
        inboundHosts: [DB_ADDRESS],
        inboundPort: this.inboundPort,
        peerPort: this.inboundPort,
        outboundPort: this.#outboundPort,
        adminHosts: ['127.0.0.1'],
        adminPort: this.adminPort,
        localPort: this.localPort,
      },
    };
    const child = spawn(process.execPath, [join(this.#start.dir, 'sidecar-process.fake.js')], {
      env: {
        PATH: process.env.PATH ?? '',
        ...this.#start.env,
        MESH_CORES: String(cores),
        MESH_LOG_LEVEL: 'debug',
        MESH_TEST_ORDER: JSON.stringify(order),
        ...more,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const texts = (rest + chunk.toString()).split('\n');
      rest = texts.pop() ?? '';
      for (const text of texts) this.lines.push(JSON.parse(text) as Line);
    });
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#closing.push(async () => {
      // One that a test has stopped does not notice that its primary is gone.
      for (const pid of this.workers()) process.kill(pid, 'SIGKILL');
      child.kill('SIGKILL');
      await this.exit;
    });
  }

  /** Somebody else has the port on which db's sidecar wants to listen. */
  async takeInboundPort(): Promise<void> {
    const other = await new FakeApp().start(DB_ADDRESS, this.inboundPort);
    this.#closing.push(() => other.stop());
  }

  /** The processes of the workers, by rising process id. */
  workers(): readonly number[] {
    return childrenOf(this.pid);
  }

  /**
   * A client's sidecar, in this process; its connections to db do not share one, so that they spread over workers.
   *
   * @param ttlMs how long its first certificate is good
   */
  async client({ tunnel = 'off', ttlMs = 3_600_000 } = {}): Promise<Sidecar> {
    const { pki, dir } = this.#start;
    const operator = await FakeOperator.start(identityOf('web'), pki);
    operator.ttlMs = ttlMs;
    const sidecar = new Sidecar({
      config: readConfig({
        ...environmentOf('web', '127.0.0.1', dir),
        MESH_OPERATOR_URL: operator.url,
        MESH_UPSTREAMS: `db:${this.upstreamPort}`,
        MESH_TUNNEL: tunnel,
      }),
      api: this.api.client(),
      clock: systemClock,
      log: new LevelLog('silent'),
      originalDestination: new FakeOriginalDestination(),
      onFinish: () => undefined,
      listen: {
        inboundHosts: ['127.0.0.1'],
        inboundPort: 0,
        peerPort: this.inboundPort,
        outboundPort: 0,
        adminHosts: ['127.0.0.1'],
        adminPort: 0,
        localPort: 0,
      },
    });
    this.#closing.push(
      () => operator.stop(),
      () => sidecar.stop({ minimumMs: 0, deadlineMs: 0 }),
    );
    await sidecar.start();
    await eventually(() => sidecar.missing().length === 0);
    operator.ttlMs = 3_600_000;
    return sidecar;
  }

  /** The operator's certificate, for what it alone may ask. */
  operatorSvid(): Promise<Svid> {
    return this.#start.pki.svid({ namespace: 'mesh-system', service: 'mesh-operator' });
  }

  /** A connection of web's application to db's. */
  async connect(): Promise<FakeClient> {
    const client = await FakeClient.connect(this.upstreamPort);
    this.#closing.push(() => client.close());
    return client;
  }

  /** Whether web may connect to db. */
  intend(action: 'allow' | 'deny', generation: number): void {
    this.api.put(INTENTIONS, {
      metadata: { name: 'web-db', namespace: 'shop', generation, uid: 'u1' },
      spec: { source: { service: 'web' }, destination: { service: 'db' }, action },
    });
  }

  /** For what a test opens itself. */
  onClose(close: () => unknown): void {
    this.#closing.push(close);
  }

  admin(path: string): Promise<FetchedPage> {
    return ask(this.adminPort, path);
  }

  local(path: string, method = 'GET', body?: string): Promise<FetchedPage> {
    return ask(this.localPort, path, method, body);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}

interface Made {
  readonly pki: TestPki;
  readonly api: FakeApiServer;
  readonly app: FakeApp;
  readonly dir: string;
  readonly env: Record<string, string>;
  readonly ports: readonly number[];
  readonly closing: (() => unknown)[];
}

/** As the image has it, in one file: each of the processes starts in a moment. */
async function bundleInto(dir: string): Promise<void> {
  const program = 'sidecar/cores/sidecar-process.fake.ts';
  await promisify(execFile)(process.execPath, ['scripts/build.mjs', '--entry', program, '--out', dir], {
    cwd: ROOT,
  });
}

function identityOf(service: string) {
  return { namespace: namespaceName('shop'), service: serviceName(service) };
}

function environmentOf(service: string, address: string, dir: string): Record<string, string> {
  return {
    MESH_SERVICE: service,
    POD_NAME: `${service}-1`,
    POD_NAMESPACE: 'shop',
    POD_UID: `uid-${service}`,
    POD_IPS: address,
    POD_SERVICE_ACCOUNT: service,
    MESH_NAMESPACE: 'mesh-system',
    MESH_TRUST_DOMAIN: 'cluster.local',
    MESH_CA_TOKEN_FILE: join(dir, 'token'),
  };
}

/** Whether there is a process with this id; one that only waits to be collected by its parent is none. */
export function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

/** Ids of the processes that a process started and that are there still. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number)
    .sort((one, other) => one - other);
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
  } catch {
    return undefined;
  }
}

function ask(port: number, path: string, method = 'GET', body?: string): Promise<FetchedPage> {
  return new Promise((resolve, reject) => {
    const headers = { [LOCAL_REQUEST_HEADER]: 'true' };
    const asking = request({ host: '127.0.0.1', port, path, method, agent: false, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    asking.on('error', reject);
    asking.end(body);
  });
}
