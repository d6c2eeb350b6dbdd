import type { Pod } from '#kube/types.ts';

import { memberSpec, registrationSpec } from '../../resources/member.fake.ts';
import type { MemberRules } from '../../resources/member.ts';
import { decideAccess, namespaceOfBinding } from './decide.ts';

const OWNER = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: 'mesh-operator',
  uid: 'u',
};

const RULES: MemberRules = { outside: false, address: 'required' };
const INJECTED = { 'mesh.dev/injected': 'native' };

function pod(account: string, change: Partial<Pod> = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'shop', labels: INJECTED },
    spec: memberSpec('web', account),
    status: { phase: 'Running', podIP: '10.1.1.1' },
    ...change,
  };
}

const unnamed = Object.entries(memberSpec('web')).filter(([field]) => field !== 'serviceAccountName');
const withoutAccount = pod('', { spec: Object.fromEntries(unnamed) as unknown as NonNullable<Pod['spec']> });

function decide(pods: readonly Pod[], rules: Partial<MemberRules> = {}) {
  return decideAccess({
    ...{ namespace: 'shop', meshNamespace: 'mesh', pods, owner: OWNER },
    rules: { ...RULES, ...rules },
  });
}

describe('what the sidecars of a namespace may read', () => {
  test('exactly the accounts of its injected pods, each once, in order', () => {
    const { policy, catalog } = decide([
      pod('web'),
      pod('db'),
      pod('web'),
      withoutAccount,
      pod('job', { status: { phase: 'Succeeded', podIP: '10.1.1.1' } }),
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
    expect(decide([pod('web', { status: { phase: 'Failed', podIP: '10.1.1.1' } })])).toEqual({
      policy: [],
      catalog: [],
    });
  });

  const registration: Partial<Pod> = {
    metadata: {
      name: 'p',
      namespace: 'shop',
      labels: { ...INJECTED, 'mesh.dev/run': 'true', 'mesh.dev/service': 'web' },
    },
    spec: registrationSpec('web'),
  };

  test.each<[string, Partial<Pod>]>([
    ['a pod with the label and no sidecar', { spec: { containers: [{ name: 'app' }] } }],
    ['a container that has only the name', { spec: { containers: [{ name: 'mesh-sidecar' }] } }],
    ['a pod that no node runs', { status: { phase: 'Pending' } }],
    ['a pod without the label', { metadata: { name: 'p', namespace: 'shop' } }],
    ['a process outside of pods, where none may join', registration],
    [
      'a pod with the label of those that a scheduler takes',
      { ...registration, spec: { ...registrationSpec('web'), schedulerName: 'default-scheduler' } },
    ],
  ])('nobody for %s', (_what, change) => {
    expect(decide([pod('web', change)])).toEqual({ policy: [], catalog: [] });
  });

  test('a process outside of pods, where they may join, once it has an address', () => {
    const outside = { outside: true };
    expect(decide([pod('web', registration)], outside).policy).toHaveLength(2);
    const unplaced = { ...registration, status: { phase: 'Pending' } };
    expect(decide([pod('web', unplaced)], outside).policy).toEqual([]);
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
