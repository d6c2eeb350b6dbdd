import type { MeshService } from '#core/model/mesh-service.ts';
import type { SharedIdentity } from '#core/model/service-identity.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { Pod, Service } from '#kube/types.ts';

import { memberSpec, registrationSpec } from '../../resources/member.fake.ts';
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

function service(name: string, selector: Record<string, string> | undefined, more: object = {}): Service {
  return {
    metadata: { name, namespace: 'shop' },
    spec: {
      ...(selector ? { selector } : {}),
      clusterIP: `10.0.0.${name.length}`,
      clusterIPs: [`10.0.0.${name.length}`],
      ports: [{ port: 80 }],
      ...more,
    },
  };
}

const NOTHING: SharedIdentity = { services: [], accounts: [] };

function decide(
  pods: readonly Pod[],
  services: readonly Service[],
  meshService: Partial<MeshService> = {},
  shared: SharedIdentity = NOTHING,
) {
  const db: MeshService = { metadata: { name: 'db', namespace: 'shop' }, ...meshService };
  const verdict = decideMeshService({
    ...{ service: db, scope: SCOPE, faults: [], pods, services, shared },
    rules: { outside: true },
  });
  return {
    ...verdict,
    names: verdict.services.map(({ name }) => name),
    is: Object.fromEntries(
      verdict.conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
    ),
    says: Object.fromEntries(verdict.conditions.map(({ type, message }) => [type, message])),
  };
}

describe('a process outside of pods', () => {
  const outside = {
    ...pod('db-ab12cd', 'db', { labels: { 'mesh.dev/run': 'true' } }),
    spec: registrationSpec('db'),
  };
  const own = pod('db-0', 'db');

  test('stands behind the Service of its name, with a selector or without, and behind no other', () => {
    expect(decide([outside], [service('db', undefined)]).names).toEqual(['db']);
    expect(decide([outside], [service('db', { app: 'db' }), service('x', { app: 'db' })]).names).toEqual([
      'db',
    ]);
    expect(decide([outside, own], [service('db', { app: 'db' }), service('x', { app: 'db' })]).names).toEqual(
      ['db', 'x'],
    );
  });

  test('shares it with nobody of another service', () => {
    const web = pod('web-0', 'web', { labels: { app: 'db' } });
    expect(decide([outside, web], [service('db', { app: 'db' })]).is.Reachable).toBe('False SharedService');
  });
});

describe('which Kubernetes Services stand for a mesh service', () => {
  const own = pod('db-0', 'db', { labels: { tier: 'data' } });
  const other = pod('web-0', 'web', { labels: { tier: 'data' } });
  test.each<[string, Pod[], Service[], string[]]>([
    [
      'those that select its pods, whatever their name',
      [own],
      [service('db', { app: 'db' }), service('primary', { app: 'db' })],
      ['db', 'primary'],
    ],
    ['not one that selects nothing', [own], [service('db', undefined), service('x', {})], []],
    ['not one that selects another service’s pods', [own, other], [service('web', { app: 'web' })], []],
    ['not one that selects both', [own, other], [service('data', { tier: 'data' })], []],
    ['not an ExternalName', [own], [service('db', { app: 'db' }, { type: 'ExternalName' })], []],
    [
      'without pods, the one of its name',
      [],
      [service('db', { app: 'db' }), service('other', { app: 'x' })],
      ['db'],
    ],
    [
      'without pods, not even that one when it leads to another’s pods',
      [other],
      [service('db', { app: 'web' })],
      [],
    ],
    [
      'pods that ended or are going do not count',
      [pod('db-1', 'db', { phase: 'Succeeded' }), pod('db-2', 'db', { deleted: true })],
      [service('primary', { app: 'db' })],
      [],
    ],
  ])('%s', (_name, pods, services, expected) => {
    expect(decide(pods, services).names).toEqual(expected);
  });

  test('scaled to zero, it keeps those it had, so that their addresses stay in the mesh', () => {
    const had = { status: { services: [{ name: 'primary', clusterIPs: [], headless: false, ports: [] }] } };
    expect(decide([], [service('primary', { app: 'db' })], had).names).toEqual(['primary']);
    expect(decide([], [], had).names).toEqual([]);
    expect(decide([pod('web-0', 'web')], [service('primary', { app: 'web' })], had).names).toEqual([]);
  });

  test('addresses of both families, headless ones without, TCP ports only, target port filled in', () => {
    const dual = service(
      'db',
      { app: 'db' },
      {
        clusterIPs: ['10.0.0.9', 'fd00::9'],
        ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }, { name: 'pg', port: 1, targetPort: 'pg' }],
      },
    );
    const headless = service('peers', { app: 'db' }, { clusterIP: 'None', clusterIPs: ['None'] });
    const { services, virtualIPs } = decide([own], [dual, headless]);
    expect(virtualIPs).toEqual(['10.0.0.9', 'fd00::9']);
    expect(services).toEqual([
      {
        name: 'db',
        clusterIPs: ['10.0.0.9', 'fd00::9'],
        headless: false,
        ports: [
          { port: 80, targetPort: 80 },
          { name: 'pg', port: 1, targetPort: 'pg' },
        ],
      },
      { name: 'peers', clusterIPs: [], headless: true, ports: [{ port: 80, targetPort: 80 }] },
    ]);
  });
});

describe('the status of a mesh service', () => {
  test('identity, instances, and that all is well', () => {
    const verdict = decide(
      [pod('db-0', 'db'), pod('db-1', 'db', { ready: false }), pod('web-0', 'web')],
      [service('db', { app: 'db' })],
    );
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
    const { is, says } = decide([pod('db-0', 'db', { account: 'web' }), pod('db-1', 'db')], [], {
      spec: { serviceAccounts: ['db'] },
    });
    expect(is.IdentityAllowed).toBe('False ServiceAccountNotAllowed');
    expect(says.IdentityAllowed).toContain('pods of ServiceAccount web call themselves db');
    expect(says.IdentityAllowed).toContain('allowed: db');
  });

  test('a pod with the labels and no sidecar says nothing about who is it', () => {
    const idle = { ...pod('db-0', 'db', { account: 'web' }), spec: { containers: [{ name: 'app' }] } };
    expect(decide([idle], []).is.IdentityAllowed).toBe('True Allowed');
  });

  test('of a service that the operator made says so, and what to do where another was meant', () => {
    const made = {
      labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' },
      name: 'db',
      namespace: 'shop',
    };
    const { says } = decide([], [], { metadata: made, spec: { serviceAccounts: ['app'] } });
    expect(says.IdentityAllowed).toBe(
      'pods of ServiceAccount app may be db, which the operator chose by what runs under this name; to choose otherwise, write spec.serviceAccounts',
    );
  });

  test('says which other services its ServiceAccount may be', () => {
    const { is, says } = decide([], [], {}, { services: ['cache', 'web'], accounts: ['db'] });
    expect(is.IdentityExclusive).toBe('False SharedServiceAccount');
    expect(says.IdentityExclusive).toContain(
      'pods of ServiceAccount db may also be cache, web: these services',
    );
  });

  test('says which Kubernetes Service is shared, and with whom', () => {
    const both = [
      pod('db-0', 'db', { labels: { tier: 'data' } }),
      pod('web-0', 'web', { labels: { tier: 'data' } }),
    ];
    const { is, says } = decide(both, [service('data', { tier: 'data' })]);
    expect(is.Reachable).toBe('False SharedService');
    expect(says.Reachable).toContain('Kubernetes Service data selects pods of db and of web');
  });

  test('says that nobody finds pods without a Kubernetes Service, and what to do', () => {
    const { is, says } = decide([pod('db-0', 'db')], [service('web', { app: 'web' })]);
    expect(is.Reachable).toBe('False NoService');
    expect(says.Reachable).toContain('nobody finds it; make one that selects its pods');
  });

  test.each<[string, Pod[], string]>([
    ['no pods', [], 'False NoInstances'],
    ['none ready', [pod('db-0', 'db', { ready: false })], 'False NoneReady'],
  ])('%s', (_name, pods, expected) => {
    expect(decide(pods, []).is.Ready).toBe(expected);
  });
});
