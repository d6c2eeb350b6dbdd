import * as z from 'zod';

/** A JSON schema as a CustomResourceDefinition carries it. */
export type Schema = Readonly<Record<string, unknown>>;

/**
 * Turns a zod schema into a structural schema, the form a CustomResourceDefinition demands
 * (Kubernetes documentation, "Specifying a structural schema").
 *
 * Patterns are left out on purpose: the API server checks the schema before it asks the validating webhook, and
 * "should match '^[a-z0-9]…'" would hide the webhook's sentence, which says what to write instead.
 */
export function structuralSchema(schema: z.ZodType): Schema {
  return clean(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' }));
}

/** Keys that may not stand beside others in a structural schema, or that say nothing. */
function clean(schema: Schema): Schema {
  const entries = Object.entries(schema).flatMap(([key, value]): [string, unknown][] => {
    if (key === '$schema' || key === 'pattern') return [];
    // A number without limits in zod has those of a safe integer, which are noise here.
    if ((key === 'minimum' || key === 'maximum') && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER)
      return [];
    // "No other field" is what the API server does by itself (it prunes); saying it beside properties is refused.
    if (key === 'additionalProperties' && value === false) return [];
    if (key === 'anyOf' && schema['x-kubernetes-int-or-string'] === true) return [];
    if (key === 'properties') return [[key, mapValues(value as Record<string, Schema>, clean)]];
    if (key === 'items' || key === 'additionalProperties') return [[key, clean(value as Schema)]];
    return [[key, value]];
  });
  const cleaned = Object.fromEntries(entries);
  for (const word of ['anyOf', 'oneOf', 'allOf', '$ref']) {
    if (word in cleaned)
      throw new Error(`a structural schema has no ${word}: write the fields side by side, optional`);
  }
  // What it is, in words, comes first: that is how people read it.
  const { description, type, ...rest } = cleaned;
  return {
    ...(description === undefined ? {} : { description }),
    ...(type === undefined ? {} : { type }),
    ...rest,
  };
}

function mapValues<T, U>(object: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}
