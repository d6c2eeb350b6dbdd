import { timedPatch } from '../kit/client.ts';
import { startComponent, stopComponent } from '../kit/components.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, kubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { killLeader, killOperators, scaleOperator } from '../kit/operators.ts';
import { sidecarPid } from '../kit/pod-process.ts';
import { readyPod } from '../kit/pods.ts';
import {
  activeRoot,
  changeCa,
  loadSummaries,
  meshStatus,
  reaches,
  replaced,
  shortLivedScene,
  startLoads,
  underLoad,
} from '../kit/rotation.ts';
import type { MeshedPod } from '../kit/rotation.ts';
import { idleClient, intention } from '../kit/workload.ts';

const NS = 'e2e-rotation';

describe('the root is replaced while everybody talks', () => {
  let web: MeshedPod;

  beforeAll(async () => {
    web = await shortLivedScene(NS);
  }, 300_000);

  afterAll(async () => {
    // The kind of key stays: another one would begin a rotation, which lasts a day now.
    await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '24h', ca: { rootTTL: null } } });
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  });

  test('on request, with the leading operator killed in every phase: not one request fails', async () => {
    const before = await activeRoot();
    await underLoad(web, async () => {
      await changeCa({ rotation: { request: 'first', mode: 'graceful' } });
      const killed = new Set<string>();
      await eventually(
        'the rotation is over',
        async () => {
          const { rotation, roots } = await meshStatus();
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
    expect((await meshStatus()).lastRotation).toMatchObject({ result: 'Completed', mode: 'graceful' });
  }, 400_000);

  test('to another kind of key: not one request fails', async () => {
    const before = await activeRoot();
    await underLoad(web, async () => {
      await changeCa({ keyType: 'rsa-2048' });
      await replaced(before);
    });
  }, 300_000);

  test('a sidecar that stood still through a whole rotation catches up', async () => {
    await apply(
      ...idleClient({ namespace: NS, name: 'late' }),
      intention({ namespace: NS, source: 'late', destination: 'db', action: 'allow' }),
    );
    const late = await readyPod(NS, 'late');
    await eventually('late reaches db', () => reaches(late));
    const pid = sidecarPid(late);
    if (pid === undefined) return;
    const before = await activeRoot();
    process.kill(pid, 'SIGSTOP');
    try {
      await changeCa({ rotation: { request: 'missed', mode: 'graceful' }, rootTTL: '2m' });
      await replaced(before);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually('late reaches db again', () => reaches(late), { timeoutMs: 60_000 });
    expect(sidecarPid(late)).toBe(pid);
  }, 300_000);

  test('a root that lives two minutes is replaced in time, by itself: not one request fails', async () => {
    const before = await activeRoot();
    await underLoad(web, async () => {
      await eventually(
        'a rotation begins because of the age of the root',
        async () => ((await meshStatus()).rotation?.reason === 'Age' ? true : undefined),
        { timeoutMs: 150_000, everyMs: 300 },
      );
      await replaced(before);
    });
  }, 300_000);

  test('after everything has ended, nothing passes; an operator that comes back puts it right by itself', async () => {
    // The root that came by age lives two minutes too.
    const [root] = (await meshStatus()).roots;
    await scaleOperator(0);
    try {
      await changeCa({ rootTTL: null });
      const left = Date.parse(root!.notAfter) - Date.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 1000));
      expect(await reaches(web)).toBeUndefined();
    } finally {
      await scaleOperator(2);
    }
    await eventually('web reaches db again', () => reaches(web), { timeoutMs: 120_000 });
    const { roots, rotation, lastRotation } = await meshStatus();
    expect(roots.find(({ active }) => active)?.id).not.toBe(root!.id);
    expect(rotation?.reason ?? lastRotation?.result).toMatch(/^(Ended|Completed)$/);
    await replaced(root!.id);
  }, 400_000);

  test('forced: the old root is gone within seconds, and traffic goes on with new certificates', async () => {
    const before = await activeRoot();
    await changeCa({ rotation: { request: 'stolen', mode: 'forced' } });
    await replaced(before);
    await eventually('web reaches db again', () => reaches(web));
  }, 240_000);

  test('a rehearsal changes nothing, and what cannot be done is refused with the reason', async () => {
    const before = await activeRoot();
    await changeCa({ rotation: { request: 'try', mode: 'rehearse' } });
    await eventually('the rehearsal is over', async () =>
      (await meshStatus()).handledRequest === 'try' ? true : undefined,
    );
    expect((await meshStatus()).lastRotation).toMatchObject({ result: 'Rehearsed' });
    expect((await meshStatus()).roots.map(({ id }) => id)).toEqual([before]);
    await changeCa({ rotation: { request: 'nothing', mode: 'abort' } });
    await eventually('the abort is refused', async () =>
      (await meshStatus()).handledRequest === 'nothing' ? true : undefined,
    );
    expect((await meshStatus()).lastRotation).toMatchObject({
      result: 'Refused',
      message: 'no rotation is under way',
    });
    const secrets = await kubectl(['get', 'secrets', '-n', MESH_NAMESPACE, '-o', 'name']);
    expect(secrets).not.toContain('mesh-ca-next');
  }, 120_000);

  describe('while nobody signs for a time', () => {
    // Certificates must outlive it. The short ones of before have ended when this is done.
    beforeAll(async () => {
      await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '5m' } });
      await new Promise((resolve) => setTimeout(resolve, 25_000));
    }, 60_000);

    test('with the API server away in every phase, and then every operator killed at once: not one request fails', async () => {
      const before = await activeRoot();
      // In the background of the pod, since nobody can look into one while the API server is away.
      await startLoads(web, 90);
      await changeCa({ rotation: { request: 'outages', mode: 'graceful' } });
      const seen = new Set<string>();
      await eventually(
        'the rotation is over',
        async () => {
          const { rotation, roots } = await meshStatus();
          if (rotation && !seen.has(rotation.phase)) {
            seen.add(rotation.phase);
            await stopComponent('apiserver');
            await startComponent('apiserver');
            if (rotation.phase === 'Draining')
              await killOperators(['-l', 'app.kubernetes.io/name=mesh-operator']);
          }
          return !rotation && roots[0]?.id !== before ? true : undefined;
        },
        { timeoutMs: 240_000, everyMs: 300 },
      );
      expect([...seen]).toContain('Draining');
      for (const summary of await loadSummaries(web))
        expect(summary).toMatchObject({ failures: [], failed: 0 });
    }, 400_000);

    test('the key is lost and every operator starts again: they say so, and who asks gets a new root; not one request fails', async () => {
      const before = await activeRoot();
      await underLoad(web, async () => {
        await kubectl(['delete', 'secret', 'mesh-ca', '-n', MESH_NAMESPACE]);
        await killOperators(['-l', 'app.kubernetes.io/name=mesh-operator']);
        await eventually(
          'the operator that leads says what is wrong',
          async () => {
            const { conditions = [] } = await meshStatus();
            const said = conditions.find(({ type }) => type === 'AuthorityReady');
            return said?.status === 'False' && said.message.includes('mesh-ca is gone') ? true : undefined;
          },
          { timeoutMs: 90_000, everyMs: 500 },
        );
        expect(await activeRoot()).toBe(before);
        await changeCa({ rotation: { request: 'lost', mode: 'graceful' } });
        await eventually(
          'another root signs',
          async () => ((await activeRoot()) === before ? undefined : true),
          { timeoutMs: 60_000, everyMs: 500 },
        );
        // Until every sidecar has asked for a new certificate: a twentieth of their life.
        await new Promise((resolve) => setTimeout(resolve, 20_000));
      });
      // The kept connections leaned on the old root.
      await replaced(before);
      expect((await meshStatus()).lastRotation).toMatchObject({ result: 'Completed', mode: 'graceful' });
      await scaleOperator(2);
      expect(await kubectl(['get', 'secrets', '-n', MESH_NAMESPACE, '-o', 'name'])).toMatch(
        /secret\/mesh-ca$/m,
      );
    }, 400_000);
  });
});
