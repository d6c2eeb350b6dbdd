import { NOW, fakeWebhook } from '../webhook.fake.ts';
import { readObject } from './object.ts';
import { isValidated, validate } from './validate.ts';
import type { Validation } from './validate.ts';

type Cluster = Parameters<typeof fakeWebhook>[0];
const object = (spec: unknown, metadata: object = {}) =>
  readObject({ metadata: { name: 'one', namespace: 'shop', ...metadata }, spec }, 'shop')!;
const check = (
  plural: string,
  now: unknown,
  before?: unknown,
  cluster: Cluster = {},
  metadata: object = {},
): Validation =>
  validate(plural, object(now, metadata), before === undefined ? undefined : object(before, metadata), {
    view: fakeWebhook(cluster).view,
    meshNamespace: 'mesh',
    now: NOW,
  });
const service = (name: string, namespace = 'shop', serviceAccounts?: string[]) => ({
  metadata: { name, namespace },
  spec: serviceAccounts ? { serviceAccounts } : {},
});

const rule = { source: { service: 'web' }, destination: { service: 'db' }, action: 'allow' };

describe('an Intention', () => {
  test('may be written before its services exist, with a word about it', () => {
    expect(check('intentions', rule)).toEqual({
      allowed: true,
      warnings: [
        'the destination shop/db does not exist yet; the rule counts as soon as it does',
        'the source shop/web does not exist yet; the rule counts as soon as it does',
      ],
    });
    const front = { ...rule, source: { service: 'web', namespace: 'front' } };
    expect(
      check('intentions', front, undefined, { meshServices: [service('db'), service('web', 'front')] }),
    ).toEqual({ allowed: true, warnings: [] });
    const wild = { ...rule, source: { service: '*', namespace: '*' }, destination: { service: '*' } };
    expect(check('intentions', wild)).toEqual({ allowed: true, warnings: [] });
    const foreign = {
      ...rule,
      source: { spiffeId: 'spiffe://partner.example/x' },
      destination: { service: '*' },
    };
    expect(check('intentions', foreign)).toEqual({ allowed: true, warnings: [] });
  });

  test('is refused with all its faults in one text', () => {
    expect(
      check('intentions', {
        source: { service: 'WEB' },
        destination: { service: 'db', namespace: 'pay' },
        action: 'perhaps',
      }),
    ).toEqual({
      allowed: false,
      refused: [
        'Intention shop/one is refused, 3 things to change:',
        '- spec.source.service: service name "WEB": upper case is not allowed; write "web"',
        '- spec.destination.namespace: a rule lives in the namespace of its destination; leave this out, or create the Intention in namespace "pay"',
        '- spec.action: "perhaps" is not known; write "allow" or "deny"',
      ].join('\n'),
    });
  });

  test('is refused for one SPIFFE ID of this very mesh', () => {
    const own = { ...rule, source: { spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web' } };
    expect(check('intentions', own)).toMatchObject({
      allowed: false,
      refused: expect.stringContaining('write service: web and namespace: shop'),
    });
  });

  test('beside another for the same edge is stored with a warning that does not name it, and alone without', () => {
    const twin = { metadata: { name: 'two', namespace: 'shop' }, spec: { ...rule, action: 'deny' } };
    const same = { metadata: { name: 'one', namespace: 'shop' }, spec: rule };
    const services = [service('db'), service('web')];
    expect(check('intentions', rule, undefined, { intentions: [twin], meshServices: services })).toEqual({
      allowed: true,
      warnings: [
        expect.stringMatching(/^another Intention of this namespace has the same source and destination/),
      ],
    });
    expect(
      check('intentions', rule, { ...rule, action: 'deny' }, { intentions: [same], meshServices: services }),
    ).toEqual({ allowed: true, warnings: [] });
  });

  test('that has expired is stored with a warning', () => {
    const expired = { ...rule, expiresAt: '2026-01-01T00:00:00Z' };
    const cluster = { meshServices: [service('db'), service('web')] };
    for (const before of [undefined, rule])
      expect(check('intentions', expired, before, cluster)).toEqual({
        allowed: true,
        warnings: [expect.stringMatching(/^spec.expiresAt "2026-01-01T00:00:00Z" has passed/)],
      });
  });

  test.each<[string, object, object]>([
    ['a service of another namespace', { ...rule, source: { service: 'web', namespace: 'front' } }, {}],
    [
      'rules of other namespaces',
      rule,
      {
        intentions: ['front', 'mesh'].map((namespace) => ({
          metadata: { name: 'two', namespace },
          spec: rule,
        })),
      },
    ],
  ])('is answered the same whatever there is elsewhere: %s', (_what, spec, elsewhere) => {
    const here = [service('db'), service('web')];
    const answers = [
      check('intentions', spec, undefined, { meshServices: here }),
      check('intentions', spec, undefined, {
        meshServices: [...here, service('web', 'front'), service('web', 'mesh')],
        ...elsewhere,
      }),
    ];
    expect(answers).toEqual([
      { allowed: true, warnings: [] },
      { allowed: true, warnings: [] },
    ]);
  });

  test("may be an override in the mesh's own namespace alone", () => {
    const override = { ...rule, override: true };
    expect(check('intentions', override)).toEqual({
      allowed: false,
      refused:
        'Intention shop/one is refused: spec.override: true counts in the mesh\'s own namespace only and has no effect here; remove it, or create the Intention in namespace "mesh"',
    });
    expect(check('intentions', { ...rule, override: false })).toMatchObject({ allowed: true });
    expect(check('intentions', override, undefined, {}, { namespace: 'mesh' })).toMatchObject({
      allowed: true,
    });
  });
});

describe('a change', () => {
  const wrong = { ...rule, colour: 'red' };

  test('that leaves the spec alone is never held up', () => {
    expect(check('intentions', wrong, { colour: 'red', ...rule })).toEqual({ allowed: true, warnings: [] });
    expect(check('intentions', wrong, rule)).toMatchObject({ allowed: false });
  });

  test('of an object that is being deleted is never held up', () => {
    const leaving = { deletionTimestamp: '2026-06-01T00:00:00Z' };
    expect(check('intentions', wrong, rule, {}, leaving)).toEqual({ allowed: true, warnings: [] });
  });
});

describe('a MeshService', () => {
  test('is refused with all its faults', () => {
    expect(check('meshservices', { proxy: 'haproxy', ports: [{ port: 1 }, { port: 1 }] })).toEqual({
      allowed: false,
      refused: [
        'MeshService shop/one is refused, 2 things to change:',
        '- spec.ports[1].port: port 1 is there already; remove one',
        '- spec.proxy: "haproxy" is not available in this version; write "builtin", or leave it out',
      ].join('\n'),
    });
  });

  test('comes with a warning where another can take its name', () => {
    expect(check('meshservices', {}, undefined, { meshServices: [service('web', 'shop', ['one'])] })).toEqual(
      {
        allowed: true,
        warnings: [
          "pods of ServiceAccount one may also be web: these services can take each other's identity; give each a ServiceAccount of its own",
        ],
      },
    );
  });
});

describe('the MeshConfig', () => {
  const mesh = { name: 'mesh', namespace: undefined };

  test('is one, and keeps its trust domain', () => {
    expect(check('meshconfigs', {})).toMatchObject({
      allowed: false,
      refused: expect.stringContaining('metadata.name: "one": there is one MeshConfig'),
    });
    expect(check('meshconfigs', { trustDomain: 'b' }, { trustDomain: 'a' }, {}, mesh)).toMatchObject({
      allowed: false,
    });
    expect(check('meshconfigs', { leafTTL: '30m' }, {}, {}, mesh)).toEqual({
      allowed: true,
      warnings: [expect.stringContaining('is short')],
    });
  });
});

test('other resources are none of ours', () => {
  expect(isValidated({ group: 'mesh.dev', resource: 'intentions' })).toBe(true);
  expect(isValidated({ group: 'apps', resource: 'intentions' })).toBe(false);
  expect(isValidated({ group: 'mesh.dev', resource: 'toString' })).toBe(false);
  expect(check('toString', {})).toEqual({ allowed: true, warnings: [] });
});
