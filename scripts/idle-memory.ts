/**
 * What an idle sidecar takes of memory: the bundle with the options of its image, an API server and an operator that are
 * played by this process, a probe each second as the kubelet sends it.
 *
 *     npx tsx scripts/idle-memory.ts [--seconds 120] [--options "--v8-pool-size=1"] [--env NAME=value]...
 *
 * It runs under the Node that runs this, which should be the image's; then Node's own code counts as shared, as it is between the
 * pods of one machine. Prints MiB of /proc/PID/smaps_rollup. Takes the sidecar's own ports.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { namespaceName, serviceName } from '#core/names.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { selfSignedPair } from '#base/testing/serving-cert.fake.ts';
import { CATALOG_ENTRIES, INTENTIONS, MESH_CONFIGS } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { entry } from '#sidecar/sources/catalog/objects.fake.ts';
import { FakeOperator } from '#sidecar/sources/identity/fake-operator.fake.ts';
import { meshConfigOf } from '#sidecar/sources/trust/trust.fake.ts';

const ROOT = join(import.meta.dirname, '..');
const WEB = { namespace: namespaceName('shop'), service: serviceName('web') };

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    options: { type: 'string', default: '' },
    env: { type: 'string', multiple: true, default: [] },
  },
});
const work = await mkdtemp(join(tmpdir(), 'mesh-idle-'));
const bundle = join(work, 'sidecar.js');
const pki = await TestPki.create();
const tls = await selfSignedPair();
const api = await FakeApiServer.started({ tls: { ...tls, protocol: 'h2' } });
const operator = await FakeOperator.start(WEB, pki);
try {
  fillCluster();
  await prepareFiles();
  const env = environment();
  compile(env);
  await measure(env, Number(values.seconds));
} finally {
  await operator.stop();
  await api.close();
  await rm(work, { recursive: true });
}

/** A handful of services, each with a rule, as a small namespace has them. */
function fillCluster(): void {
  api.put(MESH_CONFIGS, meshConfigOf([pki]));
  for (const name of ['web', 'db', 'cache', 'queue', 'mail']) {
    const metadata = { name, namespace: WEB.namespace, generation: 1 };
    const ports = [{ port: 80, targetPort: 8080 }];
    const services = [{ name, clusterIPs: [], headless: false, ports }];
    api.put(CATALOG_ENTRIES, entry(name, { services }));
    api.put(INTENTIONS, {
      metadata: { ...metadata, uid: name },
      spec: { source: { service: name }, destination: { service: 'web' }, action: 'allow' },
    });
  }
}

/** What the image and the kubelet put into the container. */
async function prepareFiles(): Promise<void> {
  run(process.execPath, [join(ROOT, 'scripts/build.mjs'), 'sidecar', '--out', work]);
  const addons = join(work, 'node_modules/@koromix');
  await cp(join(ROOT, 'node_modules/@koromix'), addons, { recursive: true });
  await mkdir(join(work, 'kube'));
  await writeFile(join(work, 'kube/ca.crt'), tls.certPem);
  await writeFile(join(work, 'kube/token'), 'a-token');
}

function environment(): Record<string, string> {
  const dockerfile = readFileSync(join(ROOT, 'Dockerfile.sidecar'), 'utf8');
  const shipped = (name: string): string =>
    new RegExp(`\\b${name}=(?:"([^"]*)"|(\\S+))`).exec(dockerfile)?.slice(1).join('') ?? '';
  return {
    NODE_OPTIONS: `${shipped('NODE_OPTIONS')} ${values.options}`.trim(),
    MALLOC_ARENA_MAX: shipped('MALLOC_ARENA_MAX'),
    NODE_COMPILE_CACHE: join(work, 'cache'),
    MESH_SERVICE: WEB.service,
    POD_NAME: 'web-1',
    POD_NAMESPACE: WEB.namespace,
    POD_UID: 'uid-1',
    POD_IPS: '127.0.0.1',
    POD_SERVICE_ACCOUNT: 'web',
    MESH_NAMESPACE: 'mesh-system',
    MESH_TRUST_DOMAIN: pki.trustDomain,
    MESH_OPERATOR_URL: operator.url,
    MESH_KUBE_TOKEN_DIR: join(work, 'kube'),
    MESH_CA_TOKEN_FILE: join(work, 'kube/token'),
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: new URL(api.url).port,
    ...Object.fromEntries(values.env.map((text) => text.split(/=(.*)/s).slice(0, 2) as [string, string])),
  };
}

/** Fills the compile cache, as building the image does. */
function compile(env: Record<string, string>): void {
  run(process.execPath, [bundle, 'redirect', '--dry-run'], env);
}

async function measure(env: Record<string, string>, seconds: number): Promise<void> {
  const sidecar = spawn(process.execPath, [bundle], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let ended = false;
  sidecar.once('exit', () => (ended = true));
  sidecar.stdout.resume();
  try {
    for (let second = 1; second <= seconds; second++) {
      await sleep(1_000);
      if (ended) throw new Error('the sidecar has ended; its own words are above');
      const ready = await fetch('http://127.0.0.1:15020/readyz', { headers: { connection: 'close' } }).then(
        ({ ok }) => ok,
        () => false,
      );
      if (second > 15 && !ready) throw new Error('the sidecar did not get ready within 15 seconds');
      if ([10, 60].includes(second) || second === seconds) await print(sidecar.pid ?? 0, second);
    }
  } finally {
    sidecar.kill();
  }
}

async function print(pid: number, second: number): Promise<void> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kb = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(rollup)?.[1]);
  const mebibytes = (value: number): string => (value / 1024).toFixed(1);
  const isPrivate = kb('Private_Clean') + kb('Private_Dirty');
  console.log(
    `after ${second} s: ${mebibytes(kb('Rss'))} MiB resident, ${mebibytes(isPrivate)} of it private`,
  );
}

function run(program: string, args: readonly string[], env?: Record<string, string>): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', ...(env ? { env } : {}) });
  if (status !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`);
}
