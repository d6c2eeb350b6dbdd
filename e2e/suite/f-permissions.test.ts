import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  SIDECAR_CATALOG_PERMISSIONS,
  SIDECAR_POLICY_PERMISSIONS,
} from '#operator/composition/permissions.ts';
import type { Permission } from '#operator/composition/permissions.ts';

import { resourceName } from '../../scripts/generated/permissions-page.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, kubectl, tryKubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import { idleClient, namespace } from '../kit/workload.ts';

const NS = 'e2e-permissions';
const OTHER = 'e2e-permissions-other';

describe('what each account of the mesh may do equals the table in docs/reference/permissions.md', () => {
  beforeAll(async () => {
    await apply(namespace(NS), namespace(OTHER), ...idleClient({ namespace: NS, name: 'web' }));
    await readyPod(NS, 'web');
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, OTHER, '--wait=false']));

  test('the operator, in its own namespace and elsewhere', async () => {
    const operator = `system:serviceaccount:${MESH_NAMESPACE}:mesh-operator`;
    expect(await granted(operator, MESH_NAMESPACE)).toEqual(
      listed([...CLUSTER_PERMISSIONS, ...NAMESPACE_PERMISSIONS]),
    );
    expect(await granted(operator, OTHER)).toEqual(listed(CLUSTER_PERMISSIONS));
  });

  test("a meshed pod's ServiceAccount, in its own namespace, in the mesh's and elsewhere", async () => {
    const web = `system:serviceaccount:${NS}:web`;
    const own = listed([...SIDECAR_POLICY_PERMISSIONS, ...SIDECAR_CATALOG_PERMISSIONS]);
    await eventually('the bindings are there', async () => {
      expect(await granted(web, NS)).toEqual(own);
      return true;
    });
    expect(await granted(web, MESH_NAMESPACE)).toEqual(own);
    expect(await granted(web, OTHER)).toEqual(listed(SIDECAR_CATALOG_PERMISSIONS));
  });

  test('the operator changes no binding of others, makes none in the cluster, and binds no other role', async () => {
    const as = [
      `--as=system:serviceaccount:${MESH_NAMESPACE}:mesh-operator`,
      '--as-group=system:serviceaccounts',
    ];
    const evil = ['--serviceaccount', `${NS}:web`, '--dry-run=server'];
    for (const command of [
      ['delete', 'clusterrolebinding', 'cluster-admin', '--dry-run=server'],
      ['patch', 'clusterrolebinding', 'cluster-admin', '-p', '{"subjects":[]}', '--dry-run=server'],
      ['create', 'clusterrolebinding', 'evil', '--clusterrole', 'mesh-sidecar-catalog', ...evil],
      ['create', 'rolebinding', 'evil', '-n', NS, '--clusterrole', 'cluster-admin', ...evil],
      ['create', 'rolebinding', 'evil', '-n', NS, '--clusterrole', 'edit', ...evil],
      ['get', 'clusterrolebindings'],
    ]) {
      const { code, stderr } = await tryKubectl([...command, ...as]);
      expect(`${command.join(' ')}: ${code === 0 ? 'done' : stderr}`).toMatch(/forbidden/i);
    }
    await kubectl([
      'create',
      'rolebinding',
      'probe',
      '-n',
      NS,
      '--clusterrole',
      'mesh-sidecar-policy',
      ...evil,
      ...as,
    ]);
  });

  test('the ServiceAccount of a pod outside the mesh may do nothing of the mesh', async () => {
    expect(await granted(`system:serviceaccount:${NS}:default`, NS)).toEqual([]);
  });

  test("of all accounts that are not Kubernetes' own, the operator's alone reads the Secrets of the mesh", async () => {
    const text = await kubectl(['get', 'serviceaccounts', '-A', '-o', 'json']);
    const { items } = JSON.parse(text) as { items: { metadata: { namespace: string; name: string } }[] };
    const accounts = items
      .filter(({ metadata }) => metadata.namespace !== 'kube-system')
      .map(({ metadata }) => `${metadata.namespace}:${metadata.name}`);
    expect(accounts.length).toBeGreaterThan(5);
    const readers = [];
    for (const account of accounts) if (await mayReadAuthority(account)) readers.push(account);
    expect(readers).toEqual([`${MESH_NAMESPACE}:mesh-operator`]);
  });
});

/** Whether an account gets at the authority's key in any way. */
async function mayReadAuthority(account: string): Promise<boolean> {
  const [namespace] = account.split(':');
  const who = [`--as=system:serviceaccount:${account}`, '--as-group=system:authenticated'];
  const groups = ['--as-group=system:serviceaccounts', `--as-group=system:serviceaccounts:${namespace}`];
  for (const what of [
    ['get', 'secrets/mesh-ca'],
    ['list', 'secrets'],
    ['watch', 'secrets'],
  ]) {
    const { code } = await tryKubectl([
      'auth',
      'can-i',
      ...what,
      '-n',
      MESH_NAMESPACE,
      ...who,
      ...groups,
      '-q',
    ]);
    if (code === 0) return true;
  }
  return false;
}

/** One line for each verb on each resource, sorted. */
function listed(permissions: readonly Permission[]): string[] {
  const lines = permissions.flatMap(({ apiGroups, resources, resourceNames = [''], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        resourceNames.flatMap((name) =>
          verbs.map((verb) => `${verb} ${resourceName(group, resource)} ${name}`.trim()),
        ),
      ),
    ),
  );
  return [...new Set(lines)].sort();
}

/** The same lines from the API server's own answer, without what every ServiceAccount may ask about itself. */
async function granted(user: string, inNamespace: string): Promise<string[]> {
  const text = await kubectl([
    'auth',
    'can-i',
    '--list',
    '--no-headers',
    `--as=${user}`,
    `--as-group=system:serviceaccounts`,
    '--as-group=system:authenticated',
    '-n',
    inNamespace,
  ]);
  const lines = text.split('\n').flatMap((line) => {
    const match = /^(\S+)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]\s*$/.exec(line);
    if (!match) return [];
    const [, resource = '', , names = '', verbs = ''] = match;
    if (/^self\w+\.(authorization|authentication)\.k8s\.io$/.test(resource)) return [];
    return (names === '' ? [''] : names.split(' ')).flatMap((name) =>
      verbs.split(' ').map((verb) => `${verb} ${resource} ${name}`.trim()),
    );
  });
  return [...new Set(lines)].sort();
}
