import { isRecord } from '#base/record.ts';

import type { FieldsV1, Json } from '../../store/object.ts';
import { without } from '../../store/object.ts';
import type { Schema } from '../kind.ts';
import { MAX_PATH_CHARACTERS } from '../limits.ts';
import { ApiStatusError } from '../api-status-error.ts';
import { itemKey, listType } from './list-keys.ts';
import { childSchema } from './structure.ts';

/**
 * A set of fields of an object: each is the JSON of its path, in the elements of `fieldsV1`: `["f:spec","f:action"]`,
 * `["f:status","f:conditions","k:{\"type\":\"Accepted\"}","."]` for an item itself.
 */
export type FieldSet = ReadonlyMap<string, unknown>;

/** Metadata that nobody owns: the server's own, and what names the object. */
const UNOWNED = [
  'name', 'namespace', 'uid', 'generation', 'resourceVersion', 'creationTimestamp', 'managedFields', 'selfLink',
  'deletionTimestamp', 'deletionGracePeriodSeconds',
] as const; // prettier-ignore

/** Every field of an object with its value (that of a map or an item with fields of its own is undefined). */
export function fieldsOf(object: Json, schema: Schema | undefined): FieldSet {
  const { metadata, ...rest } = without(object as Record<string, unknown>, 'apiVersion', 'kind');
  const owned = isRecord(metadata) ? without(metadata as Record<string, unknown>, ...UNOWNED) : {};
  const found = new Fields();
  collect({ ...rest, ...(Object.keys(owned).length > 0 ? { metadata: owned } : {}) }, schema, [], found);
  return found.values;
}

/** Fields that are many and nested deep have paths that are much longer than the object itself. */
class Fields {
  readonly values = new Map<string, unknown>();
  #characters = 0;

  /** @throws ApiStatusError 413 */
  add(path: readonly string[], value: unknown): void {
    const text = JSON.stringify(path);
    this.#characters += text.length;
    if (this.#characters > MAX_PATH_CHARACTERS)
      throw new ApiStatusError(
        413,
        'RequestEntityTooLarge',
        'the object has too many fields that are nested too deep to say who owns each',
      );
    this.values.set(text, value);
  }
}

function collect(value: unknown, schema: Schema | undefined, path: readonly string[], found: Fields): void {
  const leaf = (): void => found.add(path, value);
  if (Array.isArray(value)) return collectList(value, schema, path, found);
  if (!isRecord(value) || schema?.['x-kubernetes-map-type'] === 'atomic') return leaf();
  const fields = Object.entries(value);
  if (fields.length === 0 && path.length > 0) return leaf();
  for (const [field, inner] of fields)
    collect(inner, schema && fieldSchema(schema, path, field), [...path, `f:${field}`], found);
}

function collectList(
  items: readonly unknown[],
  schema: Schema | undefined,
  path: readonly string[],
  found: Fields,
): void {
  const type = listType(fieldName(path), items, schema);
  if (type.type === 'atomic' || items.length === 0) return found.add(path, items);
  for (const item of items) {
    if (type.type === 'set') {
      found.add([...path, `v:${JSON.stringify(item)}`], item);
      continue;
    }
    const here = [...path, `k:${itemKey(item, type.keys)}`];
    found.add([...here, '.'], undefined);
    collect(item, schema?.items, here, found);
  }
}

/** A field's schema; `metadata` is every object's own matter. */
export function fieldSchema(schema: Schema, path: readonly string[], field: string): Schema | undefined {
  if (path.length === 0 && field === 'metadata') return undefined;
  if (path[0] === 'f:metadata') return undefined;
  return childSchema(schema, field);
}

/** The name of the field a path ends with. */
export function fieldName(path: readonly string[]): string {
  return path.at(-1)?.slice(2) ?? '';
}

/** Paths as `fieldsV1` nests them. */
export function toFieldsV1(paths: Iterable<string>): FieldsV1 {
  const root: Record<string, unknown> = {};
  for (const path of [...paths].sort()) {
    let node = root;
    for (const element of JSON.parse(path) as string[])
      node = (node[element] ??= {}) as Record<string, unknown>;
  }
  return root as FieldsV1;
}

/** The paths that `fieldsV1` holds. What clients send is taken as it is: an element nobody knows owns nothing. */
export function fromFieldsV1(fields: FieldsV1): ReadonlySet<string> {
  const found = new Fields();
  const walk = (node: unknown, path: readonly string[]): void => {
    const inner = isRecord(node) ? Object.entries(node) : [];
    if (inner.length === 0 && path.length > 0) found.add(path, undefined);
    for (const [element, below] of path.length < 64 ? inner : []) walk(below, [...path, element]);
  };
  walk(fields, []);
  return new Set(found.values.keys());
}

/** A path for people: `.status.conditions[type="Accepted"].status`. */
export function pathText(path: string): string {
  return (JSON.parse(path) as string[])
    .map((element) => {
      if (element === '.') return '';
      if (element.startsWith('f:')) return `.${element.slice(2)}`;
      if (!element.startsWith('k:')) return `[=${element.slice(2)}]`;
      const keys = Object.entries(JSON.parse(element.slice(2)) as Json);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    })
    .join('');
}
