import { Target } from './target.fake.ts';

/** Server-side apply of our own kinds. Held against the embedded API and a real one. */
let target: Target;
beforeAll(async () => void (target = await Target.start()), 60_000);
afterAll(() => target.close(), 120_000);

const intention = (name: string, spec: object = {}) => {
  const { apiVersion, kind, spec: whole } = target.intention(name, spec);
  return { apiVersion, kind, metadata: { name }, spec: whole };
};
const apply = (name: string, manager: string, body: object, query = '') =>
  target.http.apply(target.intentions(name), manager, body, query);

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly fieldsV1: object;
}
const owned = (body: { metadata: { managedFields: Entry[] } }, manager: string, operation: string) =>
  body.metadata.managedFields.find((entry) => entry.manager === manager && entry.operation === operation)
    ?.fieldsV1;

test('what is applied first is made, and owned', async () => {
  const { status, body } = await apply('new', 'one', intention('new'));
  expect(status).toBe(201);
  expect(body.metadata.generation).toBe(1);
  expect(owned(body, 'one', 'Apply')).toEqual({
    'f:spec': { 'f:action': {}, 'f:destination': { 'f:service': {} }, 'f:source': { 'f:service': {} } },
  });
});

test('what is applied again is unchanged', async () => {
  const first = (await apply('again', 'one', intention('again'))).body;
  const { status, body } = await apply('again', 'one', intention('again'));
  expect({ status, version: body.metadata.resourceVersion }).toEqual({
    status: 200,
    version: first.metadata.resourceVersion,
  });
});

test('a manager that leaves a field out takes it away', async () => {
  await apply('left-out', 'one', intention('left-out', { description: 'why' }));
  const { body } = await apply('left-out', 'one', intention('left-out'));
  expect(body.spec.description).toBeUndefined();
  expect(body.metadata.generation).toBe(2);
});

test('a field that others own as well stays when one leaves it out', async () => {
  await apply('shared', 'one', intention('shared', { description: 'why' }));
  await apply('shared', 'two', intention('shared', { description: 'why' }));
  const { body } = await apply('shared', 'one', intention('shared'));
  expect(body.spec.description).toBe('why');
});

test('what another manager applied is contested', async () => {
  await apply('contested', 'one', intention('contested'));
  const { status, body } = await apply('contested', 'two', intention('contested', { action: 'deny' }));
  expect({ status, body }).toMatchObject({
    status: 409,
    body: {
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "one": .spec.action',
      details: {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.action' }],
      },
    },
  });
  expect((await target.http.get(target.intentions('contested'))).body.spec.action).toBe('allow');
});

test('force takes a contested field over', async () => {
  await apply('forced', 'one', intention('forced'));
  const { status, body } = await apply(
    'forced',
    'two',
    intention('forced', { action: 'deny' }),
    '&force=true',
  );
  expect({ status, action: body.spec.action }).toEqual({ status: 200, action: 'deny' });
  expect(owned(body, 'one', 'Apply')).toEqual({
    'f:spec': { 'f:destination': { 'f:service': {} }, 'f:source': { 'f:service': {} } },
  });
});

test('what an update changed is owned by its writer, and contested', async () => {
  await apply('updated', 'one', intention('updated'));
  const patched = await target.http.send('PATCH', `${target.intentions('updated')}?fieldManager=editor`, {
    body: { spec: { action: 'deny' } },
    contentType: 'application/merge-patch+json',
  });
  expect(owned(patched.body, 'editor', 'Update')).toEqual({ 'f:spec': { 'f:action': {} } });
  expect(owned(patched.body, 'one', 'Apply')).toEqual({
    'f:spec': { 'f:destination': { 'f:service': {} }, 'f:source': { 'f:service': {} } },
  });
  const { status, body } = await apply('updated', 'one', intention('updated'));
  expect(status).toBe(409);
  expect(body.message).toMatch(
    /^Apply failed with 1 conflict: conflict with "editor" using mesh.dev\/v1alpha1.*: \.spec\.action$/,
  );
});

test('items of a keyed list have their own owners', async () => {
  await apply('items', 'one', intention('items'));
  const condition = (type: string) => ({
    type,
    status: 'True',
    reason: 'Said',
    message: 'so',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const says = (manager: string, ...types: string[]) => {
    const { apiVersion, kind, metadata } = intention('items');
    return target.http.apply(`${target.intentions('items')}/status`, manager, {
      apiVersion,
      kind,
      metadata,
      status: { conditions: types.map(condition) },
    });
  };
  await says('first', 'A');
  const both = await says('second', 'B');
  expect(both.body.status.conditions.map((one: { type: string }) => one.type)).toEqual(['A', 'B']);
  const left = await says('first');
  expect(left.body.status.conditions.map((one: { type: string }) => one.type)).toEqual(['B']);
  expect(owned(left.body, 'second', 'Apply')).toEqual({
    'f:status': {
      'f:conditions': {
        'k:{"type":"B"}': {
          '.': {},
          'f:lastTransitionTime': {},
          'f:message': {},
          'f:reason': {},
          'f:status': {},
          'f:type': {},
        },
      },
    },
  });
});

test('an apply without a manager is refused', async () => {
  const { status } = await target.http.send('PATCH', target.intentions('nobodys'), {
    body: intention('nobodys'),
    contentType: 'application/apply-patch+yaml',
  });
  expect([400, 422]).toContain(status);
});

test('YAML is applied as well', async () => {
  const text = `apiVersion: mesh.dev/v1alpha1\nkind: Intention\nmetadata: {name: yaml}\nspec:\n  source: {service: web}\n  destination: {service: db}\n  action: allow\n`;
  expect((await apply('yaml', 'one', text as unknown as object)).status).toBe(201);
});
