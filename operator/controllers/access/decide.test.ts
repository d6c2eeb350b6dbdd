import type { Pod } from '#kube/types.ts';

import { decideAccess, namespaceOfBinding } from './decide.ts';

const OWNER = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: 'mesh-operator',
  uid: 'u',
};

function pod(account: string | undefined, phase = 'Running'): Pod {
  return {
    metadata: { name: 'p', namespace: 'shop' },
    spec: { ...(account ? { serviceAccountName: account } : {}), containers: [] },
    status: { phase },
  };
}

function decide(pods: readonly Pod[], namespace = 'shop') {
  return decideAccess({ namespace, meshNamespace: 'mesh', pods, owner: OWNER });
}

describe('what the sidecars of a namespace may read', () => {
  test('exactly the accounts of its injected pods, each once, in order', () => {
    const { policy, catalog } = decide([
      pod('web'),
      pod('db'),
      pod('web'),
      pod(undefined),
      pod('job', 'Succeeded'),
    ]);
    const accounts = ['db', 'default', 'web'];
    for (const { subjects } of [...policy, ...catalog]) {
      expect(subjects).toEqual(accounts.map((name) => ({ kind: 'ServiceAccount', name, namespace: 'shop' })));
    }
  });

  test('rules of its own namespace and of the mesh’s; services of the cluster; all owned by the chart', () => {
    const { policy, catalog } = decide([pod('web')]);
    expect(
      [...policy, ...catalog].map(({ kind, metadata, roleRef }) => [
        kind,
        metadata.namespace,
        metadata.name,
        roleRef.name,
      ]),
    ).toEqual([
      ['RoleBinding', 'shop', 'mesh-sidecar', 'mesh-sidecar-policy'],
      ['RoleBinding', 'mesh', 'mesh-sidecar.shop', 'mesh-sidecar-policy'],
      ['ClusterRoleBinding', undefined, 'mesh-sidecar.shop', 'mesh-sidecar-catalog'],
    ]);
    for (const { metadata } of [...policy, ...catalog]) expect(metadata.ownerReferences).toEqual([OWNER]);
  });

  test('nobody where no injected pod runs', () => {
    expect(decide([])).toEqual({ policy: [], catalog: [] });
    expect(decide([pod('web', 'Failed')])).toEqual({ policy: [], catalog: [] });
  });

  test.each([
    [{ name: 'mesh-sidecar', namespace: 'shop' }, 'shop'],
    [{ name: 'mesh-sidecar.shop', namespace: 'mesh' }, 'shop'],
    [{ name: 'mesh-sidecar.shop' }, 'shop'],
    [{ name: 'mesh-operator', namespace: 'mesh' }, undefined],
  ])('binding %j is for namespace %s', (metadata, namespace) => {
    expect(namespaceOfBinding({ metadata })).toBe(namespace);
  });
});
