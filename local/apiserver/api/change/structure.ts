import { isRecord } from '#base/record.ts';

import type { Json } from '../../store/object.ts';
import type { Schema } from '../kind.ts';

/**
 * The value without the fields its structural schema does not know (Kubernetes, "Field pruning"). `apiVersion`, `kind` and
 * `metadata` of the root are not the schema's matter.
 *
 * @param unknown gets the path of each field left out
 */
export function pruned(root: Json, schema: Schema, unknown: string[]): Json {
  const { apiVersion, kind, metadata, ...rest } = root;
  const known = prune(rest, schema, '', unknown) as Json;
  return { apiVersion, kind, metadata, ...known };
}

function prune(value: unknown, schema: Schema, path: string, unknown: string[]): unknown {
  if (Array.isArray(value)) {
    const { items = {} } = schema;
    return value.map((item, index) => prune(item, items, `${path}[${index}]`, unknown));
  }
  if (!isRecord(value) || schema['x-kubernetes-preserve-unknown-fields'] || schema.type !== 'object')
    return value;
  const kept: Record<string, unknown> = {};
  for (const [field, inner] of Object.entries(value)) {
    const below = path === '' ? field : `${path}.${field}`;
    const its = childSchema(schema, field);
    if (its) kept[field] = prune(inner, its, below, unknown);
    else unknown.push(below);
  }
  return kept;
}

/** The value with the defaults of its schema, where a field is absent. */
export function defaulted(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) return value.map((item) => defaulted(item, schema.items ?? {}));
  if (!isRecord(value)) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [field, its] of Object.entries(schema.properties ?? {}))
    if (filled[field] === undefined && its.default !== undefined)
      filled[field] = structuredClone(its.default);
  for (const [field, inner] of Object.entries(filled)) {
    const its = childSchema(schema, field);
    if (its) filled[field] = defaulted(inner, its);
  }
  return filled;
}

/** The schema of a field; undefined for one that is not known. */
export function childSchema(schema: Schema, field: string): Schema | undefined {
  if (schema.properties && Object.hasOwn(schema.properties, field)) return schema.properties[field];
  const { additionalProperties } = schema;
  return typeof additionalProperties === 'object'
    ? additionalProperties
    : additionalProperties
      ? {}
      : undefined;
}
