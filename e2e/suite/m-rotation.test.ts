import { Background } from '../kit/background.ts';
import { patchMeshConfigStatus, timedPatch } from '../kit/client.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, getJson, kubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE, TUNNEL } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace } from '../kit/workload.ts';

const NS = 'e2e-rotation';
/** A drain takes one such life and a quarter of a minute. */
const LEAF_TTL = '20s';

type Pod = Awaited<ReturnType<typeof readyPod>>;

interface Status {
  readonly roots: readonly { readonly id: string; readonly active: boolean; readonly pem: string }[];
  readonly rotation?: { readonly phase: string; readonly message: string };
  readonly lastRotation?: { readonly result: string; readonly mode: string; readonly message: string };
  readonly handledRequest?: string;
  readonly leaves?: { readonly ttl: string };
}

describe('the root is replaced while everybody talks', () => {
  let web: Pod;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...helloServer({
        namespace: NS,
        name: 'db',
        replicas: 2,
      }),
      ...idleClient({ namespace: NS, name: 'web' }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
    );
    web = await readyPod(NS, 'web');
    await eventually('web reaches db', async () =>
      (await exec(web, ['curl', '-sf', '-m', '3', 'http://db:8080/'])).code === 0 ? true : undefined,
    );
    await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: LEAF_TTL } });
    await kubectl(['rollout', 'restart', 'deployment/db', 'deployment/web', '-n', NS]);
    for (const name of ['db', 'web'])
      await kubectl(['rollout', 'status', `deployment/${name}`, '-n', NS, '--timeout=120s'], {
        timeoutMs: 130_000,
      });
    web = await readyPod(NS, 'web');
    // Leaves of before live a day, and a drain would wait for them. Nobody has one any more, which only we can know.
    await eventually('the longer life of before is remembered', async () =>
      (await status()).leaves?.ttl === LEAF_TTL ? true : undefined,
    );
    await patchMeshConfigStatus({ leaves: { ttl: LEAF_TTL, until: new Date().toISOString() } });
  }, 300_000);

  afterAll(async () => {
    // The kind of key stays: another one would begin a rotation, which lasts a day now.
    await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '24h' } });
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  });

  const status = async (): Promise<Status> =>
    (await getJson<{ status: Status }>(['meshconfig', 'mesh']))!.status;

  const ask = (ca: object): Promise<unknown> => timedPatch('MeshConfig', '', 'mesh', { spec: { ca } });

  /** Twenty requests a second on new connections, and, where connections outlive certificates, two hundred on ten that are kept. */
  async function underLoad(what: () => Promise<void>): Promise<void> {
    const load = (...args: readonly string[]): Background =>
      new Background(web, ['node', '/toolbox/load.mjs', 'http://db:8080/', ...args]);
    const loads = [load('20'), ...(TUNNEL ? [load('200', '0', '10')] : [])];
    try {
      for (const program of loads) await program.event('started');
      await what();
      for (const program of loads) {
        program.write('stop\n');
        expect(await program.event('summary')).toMatchObject({ failures: [], failed: 0 });
      }
    } finally {
      for (const program of loads) program.stop();
    }
  }

  async function completed(request: string, before: string): Promise<Status> {
    return eventually(
      `rotation ${request} is completed`,
      async () => {
        const now = await status();
        const isDone = !now.rotation && now.roots.length === 1 && now.roots[0]?.id !== before;
        return isDone ? now : undefined;
      },
      { timeoutMs: 180_000, everyMs: 1000 },
    );
  }

  const activeRoot = async (): Promise<string> => (await status()).roots.find(({ active }) => active)!.id;

  /** The operator that carries the rotation, without a chance to say goodbye. The other one takes over when its lease has run out. */
  async function killLeader(): Promise<void> {
    const lease = await getJson<{ spec: { holderIdentity: string } }>([
      'lease',
      'mesh-operator',
      '-n',
      MESH_NAMESPACE,
    ]);
    const [pod] = lease!.spec.holderIdentity.split('_');
    await kubectl([
      'delete',
      'pod',
      pod!,
      '-n',
      MESH_NAMESPACE,
      '--grace-period=0',
      '--force',
      '--wait=false',
    ]);
  }

  test('on request, with the leading operator killed in every phase: not one request fails', async () => {
    const before = await activeRoot();
    await underLoad(async () => {
      await ask({ rotation: { request: 'first' } });
      const killed = new Set<string>();
      await eventually(
        'the rotation is over',
        async () => {
          const { rotation, roots } = await status();
          if (rotation && !killed.has(rotation.phase)) {
            killed.add(rotation.phase);
            await killLeader();
          }
          return !rotation && roots[0]?.id !== before ? true : undefined;
        },
        { timeoutMs: 240_000, everyMs: 300 },
      );
      expect([...killed]).toEqual(expect.arrayContaining(['Published', 'Draining']));
    });
    expect((await status()).lastRotation).toMatchObject({ result: 'Completed', mode: 'graceful' });
  }, 400_000);

  test('to another kind of key: not one request fails', async () => {
    const before = await activeRoot();
    await underLoad(async () => {
      await ask({ keyType: 'rsa-2048' });
      await completed('by kind of key', before);
    });
  }, 300_000);

  test('forced: the old root is gone within seconds, and traffic goes on with new certificates', async () => {
    const before = await activeRoot();
    await ask({ rotation: { request: 'stolen', mode: 'forced' } });
    await completed('stolen', before);
    await eventually(
      'web reaches db again',
      async () =>
        (await exec(web, ['curl', '-sf', '-m', '3', 'http://db:8080/'])).code === 0 ? true : undefined,
      { timeoutMs: 30_000 },
    );
  }, 240_000);

  test('a rehearsal changes nothing, and what cannot be done is refused with the reason', async () => {
    const before = await activeRoot();
    await ask({ rotation: { request: 'try', mode: 'rehearse' } });
    await eventually('the rehearsal is over', async () =>
      (await status()).handledRequest === 'try' ? true : undefined,
    );
    expect((await status()).lastRotation).toMatchObject({ result: 'Rehearsed' });
    expect((await status()).roots.map(({ id }) => id)).toEqual([before]);
    await ask({ rotation: { request: 'nothing', mode: 'abort' } });
    await eventually('the abort is refused', async () =>
      (await status()).handledRequest === 'nothing' ? true : undefined,
    );
    expect((await status()).lastRotation).toMatchObject({
      result: 'Refused',
      message: 'no rotation is under way',
    });
    const secrets = await kubectl(['get', 'secrets', '-n', MESH_NAMESPACE, '-o', 'name']);
    expect(secrets).not.toContain('mesh-ca-next');
  }, 120_000);
});
