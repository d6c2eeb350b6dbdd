import fc from 'fast-check';

import { ApiStatusError } from '../api-status-error.ts';
import { readProtobuf } from './read-protobuf.ts';

/** A field of bytes, a text or a message; at most 127 bytes, so that its length is one byte. */
const field = (number: number, content: string | Buffer): Buffer => {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
};
const message = (...fields: Buffer[]): Buffer => Buffer.concat(fields);
const sent = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  message(
    Buffer.from('k8s\0'),
    field(1, message(field(1, apiVersion), field(2, kind))),
    field(2, raw),
    field(3, ''),
  );
const refusalOf = (body: Buffer): ApiStatusError => {
  try {
    readProtobuf(body);
  } catch (error) {
    if (error instanceof ApiStatusError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

test('an object is read as its JSON would be, without what is empty and what the server sets', () => {
  const labels = message(field(1, 'tier'), field(2, ''));
  // kubectl sends every text, an empty time, and an empty status.
  const metadata = message(
    field(1, 'shop'),
    field(2, ''),
    Buffer.from([7 << 3, 0]),
    field(8, ''),
    field(11, labels),
  );
  const namespace = message(field(1, metadata), field(2, ''), field(3, field(1, 'Active')));
  expect(readProtobuf(sent('v1', 'Namespace', namespace))).toEqual({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { tier: '' } },
    spec: {},
  });
});

test('bytes are base64, numbers are numbers, an empty item of a list stays', () => {
  const entry = message(field(1, 'key'), field(2, Buffer.from([0xff, 0x00])));
  expect(readProtobuf(sent('v1', 'Secret', field(2, entry)))).toMatchObject({ data: { key: '/wA=' } });
  const spec = message(field(1, ''), Buffer.from([4 << 3, 0x84, 0x07]));
  expect(readProtobuf(sent('authentication.k8s.io/v1', 'TokenRequest', field(2, spec)))).toMatchObject({
    spec: { audiences: [''], expirationSeconds: 900 },
  });
});

test('a field that is not described is refused, so that nobody gets half of what they sent', () => {
  // ClusterRole.aggregationRule, and ObjectMeta.deletionTimestamp.
  for (const [kind, raw] of [
    ['ClusterRole', field(3, field(1, ''))],
    ['Namespace', field(1, field(9, ''))],
  ] as const) {
    const refusal = refusalOf(sent('v1', kind, raw));
    expect(refusal.code).toBe(415);
    expect(refusal.message).toMatch(
      /not taken: field \d+ of \w+ in protobuf; with kubectl, .* kubectl apply -f FILE/,
    );
  }
});

test('a kind that is not described is refused with what to do instead', () => {
  const refusal = refusalOf(sent('v1', 'Service', Buffer.alloc(0)));
  expect(refusal.code).toBe(415);
  expect(refusal.message).toContain(
    'not taken: Service in protobuf; with kubectl, write the object in a file',
  );
});

test.each([
  ['nothing of Kubernetes', Buffer.from('{"kind":"Namespace"}')],
  ['an envelope cut off', sent('v1', 'Namespace', field(1, field(1, 'shop'))).subarray(0, 20)],
  ['an object cut off', sent('v1', 'Namespace', field(1, field(1, 'shop')).subarray(0, 5))],
])('%s cannot be read', (_what, body) => {
  expect(refusalOf(body).code).toBe(400);
});

test('whatever comes is read or refused', () => {
  const kinds = [
    'Namespace',
    'Secret',
    'RoleBinding',
    'TokenRequest',
    'Unknown',
    'ObjectMeta',
    'toString',
    '__proto__',
  ];
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 100 }), (kind, raw) => {
      try {
        readProtobuf(sent('v1', kind, Buffer.from(raw)));
      } catch (error) {
        if (!(error instanceof ApiStatusError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});
