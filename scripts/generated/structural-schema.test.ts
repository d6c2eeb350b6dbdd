import * as z from 'zod';

import { structuralSchema } from './structural-schema.ts';

describe('a structural schema', () => {
  test('has no pattern: the webhook says in words what is wrong', () => {
    expect(structuralSchema(z.string().regex(/^a$/).max(3))).toEqual({ type: 'string', maxLength: 3 });
  });

  test('has limits of numbers only where they say something', () => {
    expect(structuralSchema(z.int())).toEqual({ type: 'integer' });
    expect(structuralSchema(z.int().min(1).max(65535))).toEqual({
      type: 'integer',
      minimum: 1,
      maximum: 65535,
    });
  });

  test('does not forbid further fields: the API server prunes them, and refuses to be told', () => {
    const schema = structuralSchema(z.strictObject({ a: z.strictObject({ b: z.string() }) }));
    expect(JSON.stringify(schema)).not.toContain('additionalProperties');
    expect(schema).toMatchObject({ required: ['a'], properties: { a: { required: ['b'] } } });
  });

  test('keeps the values of a map', () => {
    expect(structuralSchema(z.record(z.string(), z.string().max(9)))).toEqual({
      type: 'object',
      additionalProperties: { type: 'string', maxLength: 9 },
    });
  });

  test('says a time in the form the API server checks', () => {
    expect(structuralSchema(z.iso.datetime())).toEqual({ type: 'string', format: 'date-time' });
  });

  test('says a number or a text in the one way there is', () => {
    const either = z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true });
    expect(structuralSchema(either)).toEqual({ 'x-kubernetes-int-or-string': true });
  });

  test('cannot be made of other alternatives, and says what to do instead', () => {
    expect(() => structuralSchema(z.union([z.int(), z.string()]))).toThrow('write the fields side by side');
    expect(() => structuralSchema(z.object({ a: z.union([z.object({}), z.string()]) }))).toThrow('anyOf');
  });
});
