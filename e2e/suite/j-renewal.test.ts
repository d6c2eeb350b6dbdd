import { Background } from '../kit/background.ts';
import { timedPatch } from '../kit/client.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { TUNNEL } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace } from '../kit/workload.ts';

const NS = 'e2e-renewal';
/** The least that MeshConfig takes: ten renewals then take about a minute and a half. */
const MINIMUM_TTL = '10s';

describe('certificates with the shortest life there is', () => {
  let web: PodRef;
  let db: PodRef & { readonly ip: string };

  beforeAll(async () => {
    await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: MINIMUM_TTL } });
    await apply(
      namespace(NS),
      ...helloServer({
        namespace: NS,
        name: 'db',
      }),
      ...idleClient({ namespace: NS, name: 'web' }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
    );
    web = await readyPod(NS, 'web');
    db = await readyPod(NS, 'db');
    await eventually('web reaches db', async () =>
      (await exec(web, ['curl', '-sf', '-m', '3', 'http://db:8080/'])).code === 0 ? true : undefined,
    );
  });

  afterAll(async () => {
    await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '24h' } });
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  });

  const renewals = async (): Promise<number> => {
    const metrics = await execOk(web, ['curl', '-sf', `http://${db.ip}:15020/metrics`]);
    return Number(/^mesh_certificates_issued_total(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? NaN);
  };

  test('ten renewals under steady load: not one request fails, and in a tunnel a kept connection lives on', async () => {
    const load = new Background(web, ['node', '/toolbox/load.mjs', 'http://db:8080/', '20']);
    const held = new Background(web, ['node', '/toolbox/hold.mjs', 'db', '8080', 'http']);
    try {
      await load.event('started');
      await held.event('first-answer');
      const before = await renewals();
      await eventually('ten renewals', async () => ((await renewals()) >= before + 10 ? true : undefined), {
        timeoutMs: 180_000,
        everyMs: 1000,
      });
      load.write('stop\n');
      expect(await load.event('summary')).toMatchObject({ failures: [], failed: 0 });
      // In a tunnel peers prove themselves again; a connection of its own ends with the certificate that it began with.
      const heldOn = !held.events.some(({ event }) => event === 'closed');
      expect(heldOn).toBe(TUNNEL);
    } finally {
      load.stop();
      held.stop();
    }
  }, 240_000);
});
