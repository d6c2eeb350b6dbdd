import type { MeshService } from '#core/model/mesh-service.ts';
import type { SharedIdentity } from '#core/model/service-identity.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { Pod } from '#kube/types.ts';

import { memberSpec } from '../../resources/member.fake.ts';
import type { Reach } from '../catalog/decide.ts';
import { decideMeshService } from './decide.ts';

const SCOPE = { trustDomain: trustDomain('corp.example'), datacenter: 'eu' };

function pod(
  name: string,
  service: string,
  more: {
    labels?: object;
    account?: string;
    ready?: boolean;
    phase?: string;
    deleted?: boolean;
    at?: string;
  } = {},
): Pod {
  return {
    metadata: {
      name,
      namespace: 'shop',
      labels: { app: service, 'mesh.dev/service': service, 'mesh.dev/injected': 'native', ...more.labels },
      ...(more.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(more.at ? { creationTimestamp: more.at } : {}),
    },
    spec: memberSpec(service, more.account ?? service),
    status: {
      phase: more.phase ?? 'Running',
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
    },
  };
}

const DB = { name: 'db', clusterIPs: ['10.0.0.9', 'fd00::9'], headless: false, ports: [] };
const REACHABLE: Reach = { kind: 'reachable', services: [DB, { ...DB, name: 'peers', clusterIPs: [] }] };

const NOTHING: SharedIdentity = { services: [], accounts: [] };

function decide(
  pods: readonly Pod[],
  reach: Reach = { kind: 'none' },
  meshService: Partial<MeshService> = {},
  shared: SharedIdentity = NOTHING,
) {
  const db: MeshService = { metadata: { name: 'db', namespace: 'shop' }, ...meshService };
  const verdict = decideMeshService({
    ...{ service: db, scope: SCOPE, faults: [], pods, reach, shared },
    rules: { outside: true },
  });
  return {
    ...verdict,
    is: Object.fromEntries(
      verdict.conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
    ),
    says: Object.fromEntries(verdict.conditions.map(({ type, message }) => [type, message])),
  };
}

describe('the status of a mesh service', () => {
  test('identity, instances, and that all is well', () => {
    const verdict = decide(
      [pod('db-0', 'db'), pod('db-1', 'db', { ready: false }), pod('web-0', 'web')],
      REACHABLE,
    );
    expect(verdict.services.map(({ name }) => name)).toEqual(['db', 'peers']);
    expect(verdict.virtualIPs).toEqual(['10.0.0.9', 'fd00::9']);
    expect(verdict.spiffeId).toBe('spiffe://corp.example/ns/shop/dc/eu/svc/db');
    expect(verdict.instances).toEqual({ ready: 1, total: 2 });
    expect(verdict.is).toEqual({
      Accepted: 'True Valid',
      IdentityAllowed: 'True Allowed',
      IdentityExclusive: 'True Exclusive',
      Reachable: 'True HasService',
      Ready: 'True HasReadyInstance',
    });
  });

  test('says which ServiceAccount may not be it, and what to do', () => {
    const { is, says } = decide([pod('db-0', 'db', { account: 'web' }), pod('db-1', 'db')], undefined, {
      spec: { serviceAccounts: ['db'] },
    });
    expect(is.IdentityAllowed).toBe('False ServiceAccountNotAllowed');
    expect(says.IdentityAllowed).toContain('pods of ServiceAccount web call themselves db');
    expect(says.IdentityAllowed).toContain('allowed: db');
  });

  test.each<[Reach, string, string]>([
    [
      { kind: 'ambiguous', service: 'data', with: ['db', 'web'] },
      'False SharedService',
      'Kubernetes Service data selects pods of the mesh services db, web; connections to it are refused',
    ],
    [
      { kind: 'mixed', service: 'data' },
      'False MixedService',
      'Kubernetes Service data selects pods of db and ready pods outside of the mesh',
    ],
    [{ kind: 'over-limit' }, 'False NamespaceLimit', 'more services than the catalog takes of one namespace'],
    [{ kind: 'none' }, 'False NoService', 'no client finds it; make one that selects its pods'],
  ])('says why it is not reached, and what to do: %j', (reach, condition, sentence) => {
    const { is, says, services, virtualIPs } = decide([pod('db-0', 'db')], reach);
    expect(is.Reachable).toBe(condition);
    expect(says.Reachable).toContain(sentence);
    expect([services, virtualIPs]).toEqual([[], []]);
  });

  test('a pod with the labels and no sidecar says nothing about who is it', () => {
    const idle = { ...pod('db-0', 'db', { account: 'web' }), spec: { containers: [{ name: 'app' }] } };
    expect(decide([idle]).is.IdentityAllowed).toBe('True Allowed');
  });

  test('of a service that the operator made says so, and what to do where another was meant', () => {
    const made = {
      labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' },
      name: 'db',
      namespace: 'shop',
    };
    const { says } = decide([], undefined, { metadata: made, spec: { serviceAccounts: ['app'] } });
    expect(says.IdentityAllowed).toBe(
      'pods of ServiceAccount app may be db, which the operator chose by what runs under this name; to choose otherwise, write spec.serviceAccounts',
    );
  });

  test('says which other services its ServiceAccount may be', () => {
    const { is, says } = decide([], undefined, {}, { services: ['cache', 'web'], accounts: ['db'] });
    expect(is.IdentityExclusive).toBe('False SharedServiceAccount');
    expect(says.IdentityExclusive).toContain(
      'pods of ServiceAccount db may also be cache, web: these services',
    );
  });

  test.each<[string, Pod[], string]>([
    ['no pods', [], 'False NoInstances'],
    ['none ready', [pod('db-0', 'db', { ready: false })], 'False NoneReady'],
  ])('%s', (_name, pods, expected) => {
    expect(decide(pods).is.Ready).toBe(expected);
  });
});
