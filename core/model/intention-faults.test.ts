import fc from 'fast-check';

import { toRule } from '../policy/rule.ts';
import { intentionFaults } from './intention-faults.ts';

const told = (faults: readonly { field: string; message: string }[]) =>
  faults.map(({ field, message }) => `${field}: ${message}`);

describe('an Intention', () => {
  const web = { service: 'web' };
  const db = { service: 'db' };
  const good = { source: web, destination: db, action: 'allow' };
  const check = (spec: unknown, namespace = 'shop') =>
    told(
      intentionFaults(
        { metadata: { name: 'one', namespace }, spec },
        { meshNamespace: 'mesh', trustDomain: 'cluster.local' },
      ),
    );

  test.each([
    good,
    { ...good, source: { service: 'web', namespace: 'front' } },
    { ...good, source: { service: '*' } },
    { ...good, source: { service: '*', namespace: '*' } },
    { ...good, source: { spiffeId: 'spiffe://partner.example/ns/x/sa/y' } },
    { ...good, destination: { service: '*' } },
    { ...good, destination: { service: 'db', namespace: 'shop' } },
    { ...good, mode: 'audit', expiresAt: '2026-12-01T00:00:00Z', description: 'x'.repeat(512) },
  ])('is accepted: %j', (spec) => {
    expect(check(spec)).toEqual([]);
  });

  test("is accepted for every namespace in the mesh's own", () => {
    expect(check({ ...good, destination: { service: '*', namespace: '*' } }, 'mesh')).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['no spec', undefined, 'spec: is missing; write source, destination and action'],
    ['a list', [], 'spec: is missing; write source, destination and action'],
    ['no source', { destination: db, action: 'allow' }, 'spec.source: is missing'],
    ['no destination', { source: web, action: 'allow' }, 'spec.destination: is missing'],
    ['no action', { source: web, destination: db }, 'spec.action: is missing'],
    ['a source of the wrong type', { ...good, source: 'web' }, 'spec.source: is a string; write an object'],
    ['a null source', { ...good, source: null }, 'spec.source: is null; write an object'],
    [
      'a name of the wrong type',
      { ...good, source: { service: 5 } },
      'spec.source.service: is a number; write a string',
    ],
    [
      'an unknown action',
      { ...good, action: 'Allow' },
      'spec.action: "Allow" is not known; write "allow" or "deny"',
    ],
    [
      'an unknown mode',
      { ...good, mode: 'dry' },
      'spec.mode: "dry" is not known; write "enforce" or "audit"',
    ],
    [
      'an unknown field',
      { ...good, colour: 1 },
      'spec.colour: is not a field of this version; remove it, or look for its right spelling with kubectl explain',
    ],
    [
      'an unknown field inside',
      { ...good, source: { service: 'web', ns: 'x' } },
      'spec.source.ns: is not a field of this version; remove it, or look for its right spelling with kubectl explain',
    ],
    [
      'neither service nor spiffeId',
      { ...good, source: {} },
      'spec.source: names no workload; write service (and namespace) for a service of this mesh, or spiffeId for one of a federated trust domain',
    ],
    [
      'only a namespace',
      { ...good, source: { namespace: 'x' } },
      'spec.source: names no workload; write service (and namespace) for a service of this mesh, or spiffeId for one of a federated trust domain',
    ],
    [
      'both service and spiffeId',
      { ...good, source: { service: 'web', spiffeId: 'spiffe://p/x' } },
      'spec.source: has both spiffeId and service or namespace; write one of them: service for this mesh, spiffeId for a federated trust domain',
    ],
    [
      'spiffeId and namespace',
      { ...good, source: { namespace: 'a', spiffeId: 'spiffe://p/x' } },
      'spec.source: has both spiffeId and service or namespace; write one of them: service for this mesh, spiffeId for a federated trust domain',
    ],
    [
      'no SPIFFE ID',
      { ...good, source: { spiffeId: 'spiffe://p/a/../b' } },
      'spec.source.spiffeId: "spiffe://p/a/../b" is not a valid SPIFFE ID; write spiffe://<trust domain in lower case>/<path>, without "..", "%", a port or a slash at the end',
    ],
    [
      'an ID of this mesh',
      { ...good, source: { spiffeId: 'spiffe://cluster.local/ns/front/dc/dc1/svc/web' } },
      'spec.source.spiffeId: "spiffe://cluster.local/ns/front/dc/dc1/svc/web" is of this mesh\'s own trust domain; write service: web and namespace: front instead',
    ],
    [
      'another ID of this mesh',
      { ...good, source: { spiffeId: 'spiffe://cluster.local/x' } },
      'spec.source.spiffeId: "spiffe://cluster.local/x" is of this mesh\'s own trust domain; write service and namespace instead',
    ],
    [
      'upper case',
      { ...good, source: { service: 'Web' } },
      'spec.source.service: service name "Web": upper case is not allowed; write "web"',
    ],
    [
      'upper case namespace',
      { ...good, source: { service: 'web', namespace: 'Front' } },
      'spec.source.namespace: namespace "Front": upper case is not allowed; write "front"',
    ],
    [
      'part of a wildcard',
      { ...good, source: { service: 'we*' } },
      'spec.source.service: service name "we*": a wildcard stands alone; write "*" for all, or a whole name',
    ],
    [
      'an exact name after a wildcard',
      { ...good, source: { service: 'web', namespace: '*' } },
      'spec.source.service: "web" of every namespace cannot be named; write service "*" for all services of all namespaces, or one namespace',
    ],
    ['an empty name', { ...good, source: { service: '' } }, 'spec.source.service: service name is empty'],
    [
      'an upper case destination',
      { ...good, destination: { service: 'DB' } },
      'spec.destination.service: service name "DB": upper case is not allowed; write "db"',
    ],
    ['a destination without service', { ...good, destination: {} }, 'spec.destination.service: is missing'],
    [
      'a foreign namespace',
      { ...good, destination: { service: 'db', namespace: 'pay' } },
      'spec.destination.namespace: a rule lives in the namespace of its destination; leave this out, or create the Intention in namespace "pay"',
    ],
    [
      'every namespace from outside',
      { ...good, destination: { service: '*', namespace: '*' } },
      'spec.destination.namespace: "*" is allowed only in the mesh\'s own namespace; leave this out for this namespace, or create the Intention in namespace "mesh"',
    ],
    [
      'no time',
      { ...good, expiresAt: 'tomorrow' },
      'spec.expiresAt: "tomorrow" is not a valid time in UTC; write such as "2026-12-01T00:00:00Z"',
    ],
    [
      'a time with an offset',
      { ...good, expiresAt: '2026-12-01T00:00:00+01:00' },
      'spec.expiresAt: "2026-12-01T00:00:00+01:00" is not a valid time in UTC; write such as "2026-12-01T00:00:00Z"',
    ],
    ['a time of the wrong type', { ...good, expiresAt: 1 }, 'spec.expiresAt: is a number; write a string'],
    [
      'a long description',
      { ...good, description: 'x'.repeat(513) },
      'spec.description: is too long; at most 512 characters',
    ],
  ])('is refused for %s', (_what, spec, message) => {
    expect(check(spec)).toEqual([message]);
  });

  test('is refused for one service of every namespace', () => {
    expect(check({ ...good, destination: { service: 'db', namespace: '*' } }, 'mesh')).toEqual([
      'spec.destination.service: "db" of every namespace cannot be named; write service "*", or a rule in each namespace',
    ]);
  });

  test('has all its faults told at once', () => {
    expect(
      check({
        source: { service: 'WEB' },
        destination: { service: 'db', namespace: 'pay' },
        action: 'no',
        mode: 1,
        description: 'x'.repeat(600),
        x: 1,
      }),
    ).toHaveLength(6);
  });

  test("is about another namespace only as an override in the mesh's own", () => {
    const elsewhere = { ...good, destination: { service: 'db', namespace: 'pay' } };
    expect(check({ ...elsewhere, override: true }, 'mesh')).toEqual([]);
    expect(check(elsewhere, 'mesh')).toEqual([
      'spec.destination.namespace: a rule lives in the namespace of its destination; leave this out, or create the Intention in namespace "pay", or write override: true',
    ]);
    expect(check({ ...elsewhere, override: true })).toHaveLength(2);
  });

  test("may be an override in the mesh's own namespace alone", () => {
    expect(check({ ...good, override: true }, 'mesh')).toEqual([]);
    expect(check({ ...good, override: false })).toEqual([]);
    expect(check({ ...good, override: true })).toEqual([
      'spec.override: true counts in the mesh\'s own namespace only and has no effect here; remove it, or create the Intention in namespace "mesh"',
    ]);
    for (const namespace of ['shop', 'mesh'])
      expect(check({ ...good, override: 'true' }, namespace)).toEqual([
        'spec.override: is a string; write a boolean',
      ]);
  });

  test('that is accepted is one that can be enforced, and that is not is a deny', () => {
    const part = fc.constantFrom<unknown>(
      'web',
      'db',
      '*',
      'WEB',
      'w*',
      '',
      5,
      null,
      undefined,
      'shop',
      'mesh',
      'other',
    );
    const spec = fc.record(
      {
        source: fc.oneof(
          fc.record({ service: part, namespace: part }, { requiredKeys: [] }),
          fc.record({ spiffeId: fc.constantFrom<unknown>('spiffe://a/b', 'x', 1, 'spiffe://a/../b') }),
          fc.anything(),
        ),
        destination: fc.oneof(
          fc.record({ service: part, namespace: part }, { requiredKeys: [] }),
          fc.anything(),
        ),
        action: fc.constantFrom<unknown>('allow', 'deny', 'x', undefined),
        expiresAt: fc.constantFrom<unknown>(undefined, '2026-12-01T00:00:00Z', 'x', 3),
        override: fc.constantFrom<unknown>(undefined, true, false, null, 'true'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(spec, fc.anything()), fc.constantFrom('shop', 'mesh'), (value, namespace) => {
        const intention = { metadata: { name: 'r', namespace }, spec: value };
        const faults = intentionFaults(intention, { meshNamespace: 'mesh' });
        const rule = toRule(intention, 'mesh');
        // An override outside of the mesh's own namespace has no effect; what else the rule says stands.
        const wrong = faults.filter(
          ({ field, message }) => field !== 'spec.override' || !message.startsWith('true '),
        );
        expect(rule.unreadable !== true).toBe(wrong.length === 0);
        if (wrong.length > 0) expect(rule.action).toBe('deny');
      }),
      { numRuns: 2000 },
    );
  });

  test('never makes the check fail, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), (spec) => {
        intentionFaults({ metadata: { name: 'x', namespace: 'y' }, spec }, { meshNamespace: 'mesh' });
      }),
      { numRuns: 1000 },
    );
  });
});
