import { connect } from 'node:net';

import { addresses } from '../cluster/addresses.ts';
import { kubeconfigPath } from '../cluster/paths.ts';
import { timedPatch } from '../kit/client.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, getJson, kubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { report } from '../kit/measure.ts';
import { Laptop, Outside, letOutsideJoin } from '../kit/outside.ts';
import { activeRoot, changeCa, meshStatus, replaced, shortLivedScene } from '../kit/rotation.ts';
import type { MeshedPod } from '../kit/rotation.ts';
import { intention } from '../kit/workload.ts';

const NS = 'e2e-outside';
const UPSTREAM = 18_080;
const SIDECAR = 18_443;
/** The one that pods call, and where it listens on this machine's loopback. */
const BILLING = 18_090;

/** Answers every request with its own name; says so when it listens. */
const server = (name: string, port: number): string[] => [
  process.execPath,
  '-e',
  `require('http').createServer((q, r) => r.end('${name}\\n')).listen(${port}, '127.0.0.1', () => console.log('${name} listens'))`,
];
const waits = [process.execPath, '-e', `console.log('it runs'); setInterval(() => {}, 1000)`];

describe('machines outside the cluster', () => {
  let web: MeshedPod;
  let laptop: Laptop;
  const running: Outside[] = [];

  const meshRun = (service: string, args: readonly string[], command: readonly string[]): Outside => {
    const place = ['--kubeconfig', laptop.kubeconfig, '--namespace', NS, '--service', service];
    const outside = new Outside([...place, ...args, '--', ...command]);
    running.push(outside);
    return outside;
  };
  const registrations = async (service: string): Promise<readonly string[]> => {
    const selector = `mesh.dev/run,mesh.dev/service=${service}`;
    const names = await kubectl(['get', 'pods', '-n', NS, '-l', selector, '-o', 'name']);
    return names.split('\n').filter((name) => name !== '');
  };
  /** What a call through the upstream port is answered; undefined when it is refused. */
  const callDb = async (): Promise<number | undefined> => {
    try {
      return (await fetch(`http://127.0.0.1:${UPSTREAM}/`, { signal: AbortSignal.timeout(5_000) })).status;
    } catch {
      return undefined;
    }
  };
  const callBilling = (port = BILLING) => exec(web, ['curl', '-sS', '-m', '5', `http://billing:${port}/`]);
  const allow = (source: string, destination: string, action: 'allow' | 'deny' = 'allow') =>
    apply(intention({ namespace: NS, source, destination, action }));

  beforeAll(async () => {
    [web] = await Promise.all([shortLivedScene(NS), letOutsideJoin(true)]);
    laptop = await Laptop.make(NS, 'laptop', ['mesh-run', 'mesh-run-lookup']);
  }, 300_000);

  afterAll(async () => {
    for (const outside of running) outside.clear();
    await timedPatch('MeshConfig', '', 'mesh', { spec: { leafTTL: '24h' } });
    await laptop.remove(NS, 'laptop');
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  }, 200_000);

  test('a process outside calls a service inside: refused by default, allowed by a rule, cut by a deny; its exit code is passed on', async () => {
    const client = meshRun('desk', ['--upstream', `db:${UPSTREAM}`], waits);
    await client.says(/it runs/);
    expect(await callDb()).toBeUndefined();
    await client.says(/no intention matches and the default is deny/);
    await allow('desk', 'db');
    await eventually('the call works', async () => ((await callDb()) === 200 ? true : undefined));
    const open = connect(UPSTREAM, '127.0.0.1');
    const closed = new Promise((resolve) => open.on('error', () => undefined).once('close', resolve));
    await new Promise<void>((resolve) => {
      open.once('data', () => resolve());
      open.write('GET / HTTP/1.1\r\nHost: db\r\n\r\n');
    });
    await allow('desk', 'db', 'deny');
    await closed;
    expect(await callDb()).toBeUndefined();
    client.kill('SIGTERM');
    expect(await client.ended()).toBe(143);
    expect(await registrations('desk')).toEqual([]);
    expect(await meshRun('desk', [], [process.execPath, '-e', 'process.exit(7)']).ended()).toBe(7);
  });

  test('pods call a process outside by its name, under a rule, and nobody reaches it in another way', async () => {
    const args = ['--port', String(BILLING), '--sidecar-port', String(SIDECAR)];
    const billing = meshRun('billing', args, server('billing', BILLING));
    await billing.says(/billing listens/);
    await eventually('its name is known, and the call is refused', async () =>
      /reset|Empty reply/i.test((await callBilling()).stderr) ? true : undefined,
    );
    await billing.says(/connection refused.*no intention matches and the default is deny/);
    await allow('web', 'billing');
    await eventually('the call works', async () =>
      (await callBilling()).stdout === 'billing\n' ? true : undefined,
    );
    await expect(fetch(`http://${addresses.host}:${BILLING}/`)).rejects.toThrow();
    await expect(
      fetch(`http://${addresses.host}:${SIDECAR}/`, { signal: AbortSignal.timeout(20_000) }),
    ).rejects.toThrow();
    await allow('web', 'billing', 'deny');
    await eventually('the call is refused', async () =>
      (await callBilling()).code !== 0 ? true : undefined,
    );
    await allow('web', 'billing');
  });

  test('the root is replaced, and the process outside is asked like all others and goes on', async () => {
    const before = await activeRoot();
    await changeCa({ rotation: { request: `outside-${Date.now()}`, mode: 'graceful' } });
    await replaced(before);
    expect((await meshStatus()).lastRotation).toMatchObject({ result: 'Completed' });
    expect((await callBilling()).stdout).toBe('billing\n');
  });

  test('beside pods it takes its share of the calls to their Service, and breaks nothing when it is killed without a word', async () => {
    const calls = async (count: number): Promise<readonly string[]> => {
      const loop = `for i in $(seq ${count}); do curl -s -m 5 http://db:8080/ | head -c 7; echo; done`;
      return (await exec(web, ['sh', '-c', loop])).stdout.split('\n').filter((line) => line !== '');
    };
    const beside = meshRun('db', ['--port', '8080'], server('outside', 8080));
    await beside.says(/outside listens/);
    await eventually('both answer', async () => {
      const answers = await calls(10);
      return answers.includes('outside') && answers.some((answer) => answer !== 'outside') ? true : undefined;
    });
    beside.kill('SIGKILL');
    await beside.ended();
    beside.clear();
    const killed = Date.now();
    const after = await calls(10);
    expect(after).toHaveLength(10);
    expect(after).not.toContain('outside');
    await eventually(
      'its registration is gone',
      async () => ((await registrations('db')).length === 0 ? true : undefined),
      { timeoutMs: 60_000, everyMs: 1000 },
    );
    report('killed without a word to registration deleted, s', { seconds: (Date.now() - killed) / 1000 });
  });

  test('what ends leaves nothing: no pod, no Lease, no endpoints', async () => {
    for (const outside of running) outside.kill('SIGTERM');
    for (const outside of running) await outside.ended();
    await eventually('nothing is left', async () => {
      const names = await kubectl(['get', 'leases,endpointslices', '-n', NS, '-o', 'name']);
      const left = names.split('\n').filter((name) => /\/(desk|billing)-[0-9a-f]{6}$/.test(name));
      return left.length === 0 && (await registrations('billing')).length === 0 ? true : undefined;
    });
    expect((await callBilling()).code).not.toBe(0);
  });

  test('what cannot be is told in a sentence: a right that is missing, an address that is not this machine’s', async () => {
    const other = await Laptop.make(NS, 'guest', ['mesh-run-lookup']);
    try {
      const guest = new Outside([
        ...['--kubeconfig', other.kubeconfig, '--namespace', NS, '--service', 'desk'],
        ...['--', 'true'],
      ]);
      expect(await guest.ended()).toBe(1);
      expect(guest.said).toMatch(/a right is missing: .*cannot create resource "serviceaccounts".*mesh-run/s);
    } finally {
      await other.remove(NS, 'guest');
    }
    const elsewhere = meshRun('desk', ['--address', '203.0.113.7'], ['true']);
    expect(await elsewhere.ended()).toBe(1);
    expect(elsewhere.said).toContain('203.0.113.7 is not an address of this machine');
  });

  test('where it is switched off nothing of it exists, and whoever tries hears how it is switched on', async () => {
    await letOutsideJoin(false);
    for (const kind of ['clusterroles', 'clusterrolebindings']) {
      const names = await kubectl(['get', kind, '-o', 'name']);
      expect(names).not.toMatch(/mesh-operator-outside|mesh-run(-lookup)?$/m);
    }
    expect(await getJson(['service', 'mesh-outside', '-n', MESH_NAMESPACE])).toBeUndefined();
    const admin = new Outside(['--kubeconfig', kubeconfigPath(), '--service', 'desk', '--', 'true']);
    expect(await admin.ended()).toBe(1);
    expect(admin.said).toMatch(/does not let machines outside join .*--set outside.enabled=true/s);
  });
});
