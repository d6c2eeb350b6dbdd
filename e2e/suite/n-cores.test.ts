import { Background } from '../kit/background.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../kit/kubectl.ts';
import { readyPod } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace } from '../kit/workload.ts';

const NS = 'e2e-cores';

type Pod = Awaited<ReturnType<typeof readyPod>>;

describe('a sidecar on two cores', () => {
  let web: Pod;
  let db: Pod;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...helloServer({
        namespace: NS,
        name: 'db',
        annotations: { 'mesh/cores': '2' },
      }),
      ...idleClient({
        namespace: NS,
        name: 'web',
        annotations: { 'mesh/cores': '2' },
      }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
    );
    web = await readyPod(NS, 'web');
    db = await readyPod(NS, 'db');
  }, 200_000);

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  const reach = (): Promise<boolean> =>
    exec(web, ['curl', '-sf', '-m', '3', '-o', '/dev/null', 'http://db:8080/']).then(
      ({ code }) => code === 0,
    );

  const metric = async (name: string): Promise<number> => {
    const text = await execOk(web, ['curl', '-sf', `http://${db.ip}:15020/metrics`]);
    const lines = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))];
    return lines.reduce((sum, [, value]) => sum + Number(value), 0);
  };

  test('serves through every worker, counts for all, and cuts open connections in all', async () => {
    await eventually('web reaches db', async () => (await reach()) || undefined, { timeoutMs: 60_000 });
    expect(await metric('mesh_certificates_issued_total')).toBe(2);
    const held = Array.from(
      { length: 8 },
      () => new Background(web, ['node', '/toolbox/hold.mjs', 'db', '8080', 'http']),
    );
    try {
      for (const program of held) await program.event('first-answer');
      await apply(intention({ namespace: NS, source: 'web', destination: 'db', action: 'deny' }));
      for (const program of held) await program.event('closed', { timeoutMs: 10_000 });
      expect(await reach()).toBe(false);
    } finally {
      for (const program of held) program.stop();
    }
  }, 120_000);
});
