import { parseAllDocuments } from 'yaml';

import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { CLUSTER_ROLE_BINDINGS } from '#kube/types.ts';
import { startDev } from '#local/dev/dev.ts';
import type { Dev } from '#local/dev/dev.ts';

import { run } from '../cluster/command.ts';
import { CHART, NAMESPACE, find } from './render.ts';
import type { Manifest } from './render.ts';
import { describeHere, helm, reason } from './testing/with-helm.ts';

// What an upgrade renders depends on what is in the cluster; here the cluster is an API server in this process.
const OURS = { 'app.kubernetes.io/managed-by': 'mesh-operator' };

describeHere(`what helm upgrade does about bindings of earlier versions${reason}`, () => {
  let dev: Dev;
  let api: KubeClient;
  beforeAll(async () => {
    dev = await startDev({
      folder: undefined,
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      log: silentLog,
    });
    api = new KubeClient({ config: dev.api.admin });
  });
  afterAll(async () => {
    api.close();
    await dev.stop();
  });

  async function rendered(...more: readonly string[]): Promise<readonly Manifest[]> {
    const args = ['template', 'mesh', CHART, '--namespace', NAMESPACE, '--kubeconfig', dev.kubeconfig];
    const { code, stdout, stderr } = await run(helm, [...args, '--dry-run=server', ...more]);
    if (code !== 0) throw new Error(stderr);
    const documents = parseAllDocuments(stdout);
    return Array.isArray(documents) ? documents.flatMap((one) => (one.toJS() as Manifest | null) ?? []) : [];
  }

  const make = (name: string, labels: Readonly<Record<string, string>> = OURS) =>
    api.create(CLUSTER_ROLE_BINDINGS, {
      metadata: { name, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'mesh-sidecar-catalog' },
    });

  test('where there are none nothing is added', async () => {
    expect(
      (await rendered('--is-upgrade')).filter(({ metadata }) => metadata.name === 'mesh-upgrade'),
    ).toEqual([]);
  });

  test('where there are some a hook may delete exactly those, and does', async () => {
    await make('mesh-sidecar.shop');
    await make('mesh-sidecar.bank');
    await make('mesh-sidecar.theirs', {});
    const manifests = await rendered('--is-upgrade');
    const names = ['mesh-sidecar.bank', 'mesh-sidecar.shop'];
    const deletable = ['ClusterRole', 'Role'].flatMap((kind) =>
      (find(manifests, kind, 'mesh-upgrade')['rules'] as { verbs: string[]; resourceNames: string[] }[])
        .filter(({ verbs }) => verbs.includes('delete'))
        .map(({ resourceNames }) => [...resourceNames].sort()),
    );
    expect(deletable).toEqual([names, names]);
    const job = find(manifests, 'Job', 'mesh-upgrade');
    const [command, ...args] = job['spec'].template.spec.containers[0].args as string[];
    expect([command, args.sort()]).toEqual(['upgrade', names]);
    for (const { kind, metadata } of manifests.filter((one) => one.metadata.name === 'mesh-upgrade'))
      expect({ kind, ...metadata.annotations }).toMatchObject({
        'helm.sh/hook': 'post-upgrade',
        'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
      });
    expect((await rendered()).filter(({ metadata }) => metadata.name === 'mesh-upgrade')).toEqual([]);
  });
});
