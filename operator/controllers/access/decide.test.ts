import type { Pod } from '#kube/types.ts';

import { memberSpec, registrationSpec } from '../../resources/member.fake.ts';
import type { MemberRules } from '../../resources/member.ts';
import {
  MAX_ACCOUNTS,
  MAX_SUBJECT_BYTES,
  accountsOf,
  localSubjects,
  roleBinding,
  sharedSubjects,
} from './decide.ts';

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

const accounts = (pods: readonly Pod[], rules: Partial<MemberRules> = {}): readonly string[] =>
  accountsOf(pods, { ...RULES, ...rules });

const account = (namespace: string, name: string) => ({ kind: 'ServiceAccount', name, namespace });
const many = (count: number, prefix = 'a') =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(6, '0')}`);

describe('who is bound', () => {
  test('exactly the accounts of injected pods that have not ended, each once, in order', () => {
    const ended = pod('job', { status: { phase: 'Succeeded', podIP: '10.1.1.1' } });
    expect(accounts([pod('web'), pod('db'), pod('web'), withoutAccount, ended])).toEqual([
      'db',
      'default',
      'web',
    ]);
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
  ])('not the account of %s', (_what, change) => {
    expect(accounts([pod('web', change)])).toEqual([]);
  });

  test('a process outside of pods, where they may join, once it has an address', () => {
    const outside = { outside: true };
    expect(accounts([pod('web', registration)], outside)).toEqual(['web']);
    const unplaced = { ...registration, status: { phase: 'Pending' } };
    expect(accounts([pod('web', unplaced)], outside)).toEqual([]);
  });

  test('in its own namespace, and of all namespaces where they share', () => {
    expect(localSubjects('shop', ['db', 'web'])).toEqual({
      subjects: [account('shop', 'db'), account('shop', 'web')],
      leftOut: 0,
    });
    const all = new Map([
      ['shop', ['web']],
      ['bank', ['db', 'web']],
    ]);
    expect(sharedSubjects(all)).toEqual({
      subjects: [account('bank', 'db'), account('bank', 'web'), account('shop', 'web')],
      leftOut: 0,
    });
    expect(sharedSubjects(new Map())).toEqual({ subjects: [], leftOut: 0 });
  });

  test('no more of one namespace than a binding is meant for', () => {
    const accounts = many(MAX_ACCOUNTS + 5);
    expect(localSubjects('shop', accounts)).toMatchObject({ leftOut: 5 });
    const shared = sharedSubjects(new Map([['shop', accounts]]));
    expect(shared.leftOut).toBe(5);
    expect(shared.subjects).toHaveLength(MAX_ACCOUNTS);
  });

  test('not all that many large namespaces have, and everybody of the small ones', () => {
    const long = 'x'.repeat(200);
    const hostile = Array.from({ length: 30 }, (_, index) => [`evil-${index}`, many(900, long)] as const);
    const small = Array.from({ length: 50 }, (_, index) => [`shop-${index}`, ['db', 'web']] as const);
    const { subjects, leftOut } = sharedSubjects(new Map<string, readonly string[]>([...hostile, ...small]));
    expect(JSON.stringify(subjects).length).toBeLessThanOrEqual(MAX_SUBJECT_BYTES);
    expect(subjects.filter(({ namespace }) => namespace.startsWith('shop-'))).toHaveLength(100);
    expect(leftOut).toBe(30 * 900 + 100 - subjects.length);
  });
});

test('the binding of a namespace has a fixed name, the role for rules, and goes with the chart', () => {
  expect(roleBinding('shop', [], OWNER)).toMatchObject({
    kind: 'RoleBinding',
    metadata: { name: 'mesh-sidecar', namespace: 'shop', ownerReferences: [OWNER] },
    roleRef: { kind: 'ClusterRole', name: 'mesh-sidecar-policy' },
  });
});
