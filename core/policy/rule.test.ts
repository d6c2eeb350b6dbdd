import { toRule } from './rule.ts';

const spec = (source: object, destination: object, more: object = {}) => ({
  source,
  destination,
  action: 'allow',
  ...more,
});
const intention = (theSpec: unknown, namespace = 'shop') => ({
  metadata: { name: 'r', namespace, uid: 'u', generation: 3 },
  spec: theSpec,
});

describe('precedence is that of Consul', () => {
  const exact = { service: 'web', namespace: 'front' };
  const anyService = { service: '*', namespace: 'front' };
  const anyone = { service: '*', namespace: '*' };

  test.each([
    [9, exact, { service: 'db' }],
    [8, anyService, { service: 'db' }],
    [7, anyone, { service: 'db' }],
    [6, exact, { service: '*' }],
    [5, anyService, { service: '*' }],
    [4, anyone, { service: '*' }],
    [3, exact, { service: '*', namespace: '*' }],
    [2, anyService, { service: '*', namespace: '*' }],
    [1, anyone, { service: '*', namespace: '*' }],
  ])('%d', (precedence, source, destination) => {
    expect(toRule(intention(spec(source, destination), 'mesh'), 'mesh').precedence).toBe(precedence);
  });

  test('counts a SPIFFE ID as an exact source', () => {
    const source = { spiffeId: 'spiffe://partner.example/ns/x/sa/y' };
    expect(toRule(intention(spec(source, { service: 'db' })), 'mesh').precedence).toBe(9);
  });
});

describe('an intention becomes a rule', () => {
  test('with the names it leaves out filled in from its own namespace', () => {
    expect(toRule(intention(spec({ service: 'web' }, { service: 'db' })), 'mesh')).toEqual({
      ref: { key: 'shop/r', uid: 'u', generation: 3 },
      source: { kind: 'service', namespace: 'shop', service: 'web' },
      destination: { namespace: 'shop', service: 'db' },
      edge: 'svc shop/web -> shop/db',
      action: 'allow',
      mode: 'enforce',
      precedence: 9,
    });
  });

  test('with its expiry as a time', () => {
    const rule = toRule(
      intention(spec({ service: 'web' }, { service: 'db' }, { expiresAt: '2026-12-01T00:00:00Z' })),
      'mesh',
    );
    expect(rule.expiresAt).toBe(Date.UTC(2026, 11, 1));
  });
});

describe('what cannot be read is a deny above all others of its namespace', () => {
  const everything = { kind: 'service', namespace: '*', service: '*' };
  const web = { service: 'web' };
  const db = { service: 'db' };

  test.each([
    ['an unknown field', spec(web, db, { permissions: [] })],
    ['an unknown action', spec(web, db, { action: 'maybe' })],
    ['an unknown mode', spec(web, db, { mode: 'dream' })],
    ['a time that is none', spec(web, db, { expiresAt: '2026-02-31T00:00:00Z' })],
    ['a time with an offset', spec(web, db, { expiresAt: '2026-12-01T00:00:00+01:00' })],
    ['an audit rule with an unknown field', spec(web, db, { mode: 'audit', jwt: 1 })],
  ])('for its own edge: %s', (_what, unreadable) => {
    expect(toRule(intention(unreadable), 'mesh')).toMatchObject({
      source: { kind: 'service', namespace: 'shop', service: 'web' },
      destination: { namespace: 'shop', service: 'db' },
      action: 'deny',
      mode: 'enforce',
      precedence: 10,
      unreadable: true,
    });
  });

  test.each([
    ['no spec', undefined],
    ['null', null],
    ['a text', 'x'],
    ['a list', []],
    ['no source', { destination: db, action: 'allow' }],
    ['a null source', { source: null, destination: db, action: 'allow' }],
    ['an empty source', spec({}, db)],
    ['upper case', spec({ service: 'WEB' }, db)],
    ['part of a wildcard', spec({ service: 'w*' }, db)],
    ['both names and a SPIFFE ID', spec({ service: 'web', spiffeId: 'spiffe://a/b' }, db)],
    ['a SPIFFE ID that is none', spec({ spiffeId: 'spiffe://a/../b' }, db)],
    ['an exact service of every namespace', spec({ service: 'web', namespace: '*' }, db)],
    ['a foreign destination', spec(web, { service: 'db', namespace: 'other' })],
    ['every namespace from an ordinary one', spec(web, { service: '*', namespace: '*' })],
    ['no destination', { source: web, action: 'allow' }],
    ['a destination of the wrong type', spec(web, { service: 5 })],
  ])('for its whole namespace: %s', (_what, unreadable) => {
    expect(toRule(intention(unreadable), 'mesh')).toMatchObject({
      source: everything,
      destination: { namespace: 'shop', service: '*' },
      action: 'deny',
      precedence: 10,
      unreadable: true,
    });
  });

  test("for every namespace when it lives in the mesh's own", () => {
    expect(toRule(intention(undefined, 'mesh'), 'mesh')).toMatchObject({
      source: everything,
      destination: { namespace: '*', service: '*' },
      action: 'deny',
    });
  });
});
