import fc from 'fast-check';

import { intentionSpecSchema } from '../model/intention.ts';
import { INTENTION_FIELDS, readIntentionSpec } from './intention-spec.ts';
import { toRule } from './rule.ts';

const web = { service: 'web' };
const db = { service: 'db' };

test('a spec is read with its mode and its end', () => {
  expect(readIntentionSpec({ source: web, destination: db, action: 'allow' })).toEqual({
    source: web,
    destination: db,
    action: 'allow',
    mode: 'enforce',
    override: false,
  });
  expect(
    readIntentionSpec({
      source: web,
      destination: db,
      action: 'deny',
      mode: 'audit',
      expiresAt: '2028-02-29T23:59:59.5Z',
      description: 'why',
    }),
  ).toMatchObject({ action: 'deny', mode: 'audit', expiresAt: Date.UTC(2028, 1, 29, 23, 59, 59, 500) });
});

/**
 * The schema says what the API server and the webhook accept; the reader says what sidecars trust. Were the reader the more
 * generous one, a sidecar could enforce half of a rule; were it the stricter one, an accepted allow would be a deny.
 */
describe('reader and schema agree', () => {
  const readable = (spec: unknown): boolean =>
    toRule({ metadata: { name: 'r', namespace: 'shop' }, spec }, 'mesh').unreadable !== true;
  const inSchema = (spec: unknown): boolean => intentionSpecSchema.safeParse(spec).success;

  test('about the fields there are', () => {
    const { shape } = intentionSpecSchema;
    expect(INTENTION_FIELDS.spec).toEqual(Object.keys(shape));
    expect(INTENTION_FIELDS.source).toEqual(Object.keys(shape.source.shape));
    expect(INTENTION_FIELDS.destination).toEqual(Object.keys(shape.destination.shape));
  });

  const oddities = fc.constantFrom(undefined, null, '', 0, 5, true, [], {}, ['web'], 'WEB', 'x'.repeat(64));
  const mostly = <T>(values: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 12, arbitrary: values }, { weight: 1, arbitrary: oddities });
  const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(mostly(values), { nil: undefined });
  const more = fc.oneof(
    { weight: 12, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.dictionary(fc.string({ maxLength: 6 }), fc.anything(), { maxKeys: 1 }) },
  );
  const withMore = <T extends object>(values: fc.Arbitrary<T>) =>
    fc.tuple(values, more).map(([value, others]) => ({ ...others, ...value }));
  const time = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc
      .tuple(
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 0, max: 32 }),
        fc.integer({ min: 0, max: 25 }),
      )
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')))
      .map(([month, day, hour]) => `2027-${month}-${day}T${hour}:00:00Z`),
    fc.constantFrom(
      '2028-02-29T00:00:00Z',
      '2027-02-29T00:00:00Z',
      '2100-02-29T00:00:00Z',
      '2027-02-30T00:00:00Z',
      '2026-12-01T00:00Z',
      '2026-12-01T00:00:60Z',
      '2026-12-01T24:00:00Z',
      '2026-12-01T00:00:00',
      '2026-12-01T00:00:00+00:00',
      '2026-12-01t00:00:00z',
      '2026-12-01',
      '2026-12-01T00:00:00.123456789Z',
      ' 2026-12-01T00:00:00Z',
      '0000-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
    ),
  );
  const spec = withMore(
    fc.record(
      {
        source: mostly(
          withMore(
            fc.record(
              { service: mostly(fc.constantFrom('web', '*')), namespace: maybe(fc.constant('shop')) },
              { requiredKeys: ['service'] },
            ),
          ),
        ),
        destination: mostly(
          withMore(
            fc.record(
              { service: mostly(fc.constantFrom('db', '*')), namespace: maybe(fc.constant('shop')) },
              { requiredKeys: ['service'] },
            ),
          ),
        ),
        action: mostly(fc.constantFrom('allow', 'deny')),
        mode: maybe(fc.constantFrom('enforce', 'audit')),
        expiresAt: maybe(time),
        override: maybe(fc.boolean()),
        description: maybe(fc.string({ maxLength: 600, minLength: 400 })),
      },
      { requiredKeys: ['source', 'destination', 'action'] },
    ),
  );

  test('about whatever is written in them', () => {
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(spec, (value) => {
        // That a source names somebody is beyond the schema.
        const expected = inSchema(value) && (value.source as { service?: string }).service !== undefined;
        if (expected) taken += 1;
        else refused += 1;
        expect(readable(value)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(200);
    expect(refused).toBeGreaterThan(200);
  });

  test('about anything at all: what the schema refuses, the reader never takes', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        if (!inSchema(value)) expect(readable(value)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
