import { Target } from './target.fake.ts';

/** What is wrong is said in the same words. Held against the embedded API and a real one. */
let target: Target;
beforeAll(async () => void (target = await Target.start()), 60_000);
afterAll(() => target.close(), 120_000);

const refusal = async (object: object) => {
  const { status, body } = await target.http.post(target.intentions(), object);
  expect({ status, reason: body.reason }).toEqual({ status: 422, reason: 'Invalid' });
  return body;
};

test('a value that is none of the allowed ones', async () => {
  const body = await refusal(target.intention('bad', { action: 'permit' }));
  expect(body.message).toBe(
    'Intention.mesh.dev "bad" is invalid: spec.action: Unsupported value: "permit": supported values: "allow", "deny"',
  );
  expect(body.details).toEqual({
    name: 'bad',
    group: 'mesh.dev',
    kind: 'Intention',
    causes: [
      {
        reason: 'FieldValueNotSupported',
        message: 'Unsupported value: "permit": supported values: "allow", "deny"',
        field: 'spec.action',
      },
    ],
  });
});

test('a field that is missing', async () => {
  const { spec, ...rest } = target.intention('bad');
  const { message } = await refusal({
    ...rest,
    spec: { source: spec.source, destination: spec.destination },
  });
  expect(message).toBe('Intention.mesh.dev "bad" is invalid: spec.action: Required value');
});

test('a value of another type', async () => {
  const { message } = await refusal(target.intention('bad', { description: 7 }));
  expect(message).toBe(
    'Intention.mesh.dev "bad" is invalid: spec.description: Invalid value: "integer": spec.description in body must be of type string: "integer"',
  );
});

test('a text that is too long', async () => {
  const { message } = await refusal(target.intention('bad', { description: 'x'.repeat(513) }));
  // Servers before 1.28 put it otherwise.
  expect(message).toMatch(
    /spec\.description: (Too long: may not be more than 512|Invalid value: .* should be at most 512 chars long)/,
  );
});

test('a time that is none', async () => {
  const { message } = await refusal(target.intention('bad', { expiresAt: 'tomorrow' }));
  expect(message).toBe(
    'Intention.mesh.dev "bad" is invalid: spec.expiresAt: Invalid value: "tomorrow": spec.expiresAt in body must be of type date-time: "tomorrow"',
  );
});

test('a number out of bounds, in a list', async () => {
  const path = `/apis/mesh.dev/v1alpha1/namespaces/${target.namespace}/meshservices`;
  const { status, body } = await target.http.post(path, {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'bad' },
    spec: { ports: [{ port: 80 }, { port: 70_000 }] },
  });
  expect(status).toBe(422);
  // Old servers leave the index out.
  expect(body.message).toMatch(
    /^MeshService\.mesh\.dev "bad" is invalid: spec\.ports(\[1\])?\.port: Invalid value: 70000: spec\.ports(\[1\])?\.port in body should be less than or equal to 65535$/,
  );
});

test('everything that is wrong is said at once', async () => {
  const { details } = await refusal(target.intention('bad', { action: 'permit', mode: 'maybe' }));
  expect(details.causes.map(({ field }: { field: string }) => field).sort()).toEqual([
    'spec.action',
    'spec.mode',
  ]);
});

test('a name that is none', async () => {
  const { message } = await refusal(target.intention('Bad_Name'));
  expect(message).toMatch(
    /^Intention\.mesh\.dev "Bad_Name" is invalid: metadata\.name: Invalid value: "Bad_Name": a (lowercase RFC 1123|DNS-1123) subdomain must consist of/,
  );
});

test('a label that is none', async () => {
  const { details } = await refusal(target.intention('bad', {}, { labels: { a: 'not a value!' } }));
  expect(details.causes[0].field).toBe('metadata.labels');
});

test('fields nobody knows are left out', async () => {
  const { status, body } = await target.http.post(
    target.intentions(),
    target.intention('pruned', { nonsense: true }),
  );
  expect(status).toBe(201);
  expect(body.spec.nonsense).toBeUndefined();
});

test('fields nobody knows are refused when that is asked for', async () => {
  const path = `${target.intentions()}?fieldValidation=Strict`;
  const { status, body } = await target.http.post(path, target.intention('strict', { nonsense: true }));
  // Servers before 1.25 do not know the parameter.
  if (target.minor < 25) return expect(status).toBe(201);
  expect(status).toBe(400);
  expect(body.message).toContain('strict decoding error: unknown field "spec.nonsense"');
});

test('a body of another kind', async () => {
  const { message } = await refusal({ ...target.intention('bad'), kind: 'MeshService' });
  expect(message).toContain('kind: Invalid value: "MeshService": must be Intention');
});

test('a body that does not say its kind', async () => {
  const { metadata, spec } = target.intention('bad');
  expect((await target.http.post(target.intentions(), { metadata, spec })).status).toBe(400);
});

test('a body that is not JSON', async () => {
  expect((await target.http.post(target.intentions(), '{"metadata":')).status).toBe(400);
});
