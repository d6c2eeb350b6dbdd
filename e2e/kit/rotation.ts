import { Background } from './background.ts';
import { patchMeshConfigStatus, timedPatch } from './client.ts';
import { eventually } from './eventually.ts';
import { apply, exec, execOk, getJson, kubectl } from './kubectl.ts';
import { TUNNEL } from './mesh.ts';
import { readyPod } from './pods.ts';
import type { PodRef } from './kubectl.ts';
import { helloServer, idleClient, intention, namespace } from './workload.ts';

/** Life of certificates in these tests. */
const LEAF_TTL = '20s';

/** As much of the MeshConfig's status as the tests read. */
export interface MeshStatus {
  readonly roots: readonly {
    readonly id: string;
    readonly active: boolean;
    readonly pem: string;
    readonly notAfter: string;
  }[];
  readonly authority?: { readonly provider: string };
  readonly rotation?: { readonly phase: string; readonly reason: string; readonly message: string };
  readonly lastRotation?: { readonly result: string; readonly mode: string; readonly message: string };
  readonly handledRequest?: string;
  readonly leaves?: { readonly ttl: string };
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly message: string;
  }[];
}

export type MeshedPod = Awaited<ReturnType<typeof readyPod>>;

export async function meshStatus(): Promise<MeshStatus> {
  return (await getJson<{ status: MeshStatus }>(['meshconfig', 'mesh']))!.status;
}

export async function activeRoot(): Promise<string> {
  return (await meshStatus()).roots.find(({ active }) => active)!.id;
}

/** Changes `spec.ca` of the MeshConfig. */
export function changeCa(ca: object): Promise<unknown> {
  return timedPatch('MeshConfig', '', 'mesh', { spec: { ca } });
}

/** Names another authority; settings of the one before are taken away, which a merge patch would keep. */
export async function chooseAuthority(ca: {
  readonly provider: string;
  readonly config?: Readonly<Record<string, string>>;
}): Promise<unknown> {
  const now = await getJson<{ spec: { ca?: { config?: object } } }>(['meshconfig', 'mesh']);
  const gone = Object.fromEntries(Object.keys(now?.spec.ca?.config ?? {}).map((key) => [key, null]));
  return changeCa({
    provider: ca.provider,
    keyType: null,
    config: ca.config ? { ...gone, ...ca.config } : null,
  });
}

export async function reaches(pod: PodRef, url = 'http://db:8080/'): Promise<true | undefined> {
  return (await exec(pod, ['curl', '-sf', '-m', '3', url])).code === 0 ? true : undefined;
}

/** Two pods `db`, one `web` that may call them, and certificates that live {@link LEAF_TTL}. */
export async function shortLivedScene(ns: string): Promise<MeshedPod> {
  await apply(
    namespace(ns),
    ...helloServer({ namespace: ns, name: 'db', replicas: 2 }),
    ...idleClient({ namespace: ns, name: 'web' }),
    intention({ namespace: ns, source: 'web', destination: 'db', action: 'allow' }),
  );
  const first = await readyPod(ns, 'web');
  await eventually('web reaches db', () => reaches(first));
  return shortLived(ns);
}

/** Certificates live {@link LEAF_TTL} from now on, and the pods of the scene begin again, so that nobody has one of before. */
export async function shortLived(ns: string): Promise<MeshedPod> {
  await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: LEAF_TTL } });
  await kubectl(['rollout', 'restart', 'deployment/db', 'deployment/web', '-n', ns]);
  for (const name of ['db', 'web'])
    await kubectl(['rollout', 'status', `deployment/${name}`, '-n', ns, '--timeout=120s'], {
      timeoutMs: 130_000,
    });
  // A drain would wait for the leaves of before. Nobody has one any more, which only we can know.
  await eventually('the longer life of before is remembered', async () =>
    (await meshStatus()).leaves?.ttl === LEAF_TTL ? true : undefined,
  );
  await patchMeshConfigStatus({ leaves: { ttl: LEAF_TTL, until: new Date().toISOString() } });
  return readyPod(ns, 'web');
}

/**
 * Twenty requests a second on new connections, and, where connections outlive certificates, two hundred on ten that are kept:
 * arguments of load.mjs.
 */
function loads(seconds: number): readonly (readonly string[])[] {
  const made = ['20', String(seconds), '0'];
  return TUNNEL ? [made, ['200', String(seconds), '10']] : [made];
}

const LOAD = ['node', '/toolbox/load.mjs', 'http://db:8080/'] as const;

/** Load while something happens; not one request may fail. */
export async function underLoad(from: PodRef, what: () => Promise<void>): Promise<void> {
  const programs = loads(0).map((args) => new Background(from, [...LOAD, ...args]));
  try {
    for (const program of programs) await program.event('started');
    await what();
    for (const program of programs) {
      program.write('stop\n');
      expect(await program.event('summary')).toMatchObject({ failures: [], failed: 0 });
    }
  } finally {
    for (const program of programs) program.stop();
  }
}

/** The same load for some seconds, with nobody connected to the pod. */
export async function startLoads(from: PodRef, seconds: number): Promise<void> {
  for (const [index, args] of loads(seconds).entries()) {
    const command = [...LOAD, ...args].join(' ');
    await execOk(from, ['sh', '-c', `${command} > /tmp/load-${index}.log 2>&1 < /dev/null &`]);
  }
}

/** What {@link startLoads} came to, once it has ended. */
export function loadSummaries(from: PodRef): Promise<readonly unknown[]> {
  return Promise.all(
    loads(0).map((_, index) =>
      eventually(
        'the load has ended',
        async () => {
          const log = await execOk(from, ['cat', `/tmp/load-${index}.log`]);
          const line = log.split('\n').find((text) => text.includes('"summary"'));
          return line === undefined ? undefined : (JSON.parse(line) as unknown);
        },
        { timeoutMs: 120_000, everyMs: 1000 },
      ),
    ),
  );
}

/** Waits until another root than `before` is the only one. */
export function replaced(before: string, timeoutMs = 180_000): Promise<MeshStatus> {
  return eventually(
    `root ${before.slice(0, 12)} is replaced`,
    async () => {
      const now = await meshStatus();
      const isDone = !now.rotation && now.roots.length === 1 && now.roots[0]?.id !== before;
      return isDone ? now : undefined;
    },
    { timeoutMs, everyMs: 1000 },
  );
}
