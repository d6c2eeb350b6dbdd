import { isDeepStrictEqual } from 'node:util';

import { isRecord } from '#base/record.ts';

import type { ApiObject } from '../../store/object.ts';
import type { ResourceKind, Schema } from '../kind.ts';
import { MAX_LISTED, MAX_LISTED_CHARACTERS } from '../limits.ts';
import { ApiStatusError } from '../api-status-error.ts';
import { fieldName, fieldSchema, fieldsOf, pathText } from './field-set.ts';
import { itemKey, listType } from './list-keys.ts';
import type { Manager, Owners } from './managed-fields.ts';
import { isManager, ownedBy, ownersOf, withOwners } from './managed-fields.ts';

/**
 * Server-side apply (Kubernetes, "Server-Side Apply"): the manager owns what it applies, loses what it leaves out, and may not
 * change what others own unless it forces. Left out: changes of a list's type between versions of a schema.
 *
 * @param live undefined when there is no such object yet
 * @throws ApiStatusError 409 naming every contested field
 */
export function applied(
  kind: ResourceKind,
  live: ApiObject | undefined,
  wanted: ApiObject,
  manager: Manager,
  force: boolean,
): ApiObject {
  const owners = ownersOf(live);
  const mine = fieldsOf(wanted, kind.schema);
  const now = live ? fieldsOf(live, kind.schema) : new Map<string, unknown>();
  const contested = contestedFields(
    owners,
    manager,
    (path) => mine.has(path) && !isDeepStrictEqual(mine.get(path), now.get(path)),
  );
  if (contested.length > 0 && !force) throw conflicts(kind, contested);
  const taken = new Set(contested.map(({ path }) => path));
  const others = owners.map((owner) =>
    isManager(owner.entry, manager)
      ? owner
      : { ...owner, fields: new Set([...owner.fields].filter((path) => !taken.has(path))) },
  );
  const dropped = droppedFields(others, manager, mine);
  const kept = live ? (withoutFields(live, kind.schema, [], dropped) as ApiObject) : wanted;
  const merged = merge(kept, wanted, kind.schema, []) as ApiObject;
  return withOwners(merged, ownedBy(others, kind, manager, new Set(mine.keys())));
}

interface Contested {
  readonly path: string;
  readonly owner: Owners[number]['entry'];
}

function contestedFields(
  owners: Owners,
  manager: Manager,
  differs: (path: string) => boolean,
): readonly Contested[] {
  return owners
    .filter(({ entry }) => !isManager(entry, manager))
    .flatMap(({ entry, fields }) => [...fields].filter(differs).map((path) => ({ path, owner: entry })));
}

function conflicts(kind: ResourceKind, contested: readonly Contested[]): ApiStatusError {
  const causes = contested.slice(0, MAX_LISTED).map(({ path, owner }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${ownerText(owner)}`,
    field: pathText(path),
  }));
  const [first] = causes;
  const list =
    causes.length === 1
      ? `${first?.message ?? ''}: ${first?.field ?? ''}`
      : causes.map(({ message, field }) => `${message}: ${field}`.slice(0, MAX_LISTED_CHARACTERS)).join('\n');
  const message = `Apply failed with ${contested.length} conflict${contested.length === 1 ? '' : 's'}: ${list}`;
  return new ApiStatusError(409, 'Conflict', message, { kind: kind.plural, causes });
}

function ownerText({ manager, operation, apiVersion, subresource }: Contested['owner']): string {
  const part = subresource === undefined ? '' : ` with subresource "${subresource}"`;
  return `"${manager}"${part}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}

/** What the manager applied before, leaves out now, and nobody else owns. */
function droppedFields(
  owners: Owners,
  manager: Manager,
  mine: ReadonlyMap<string, unknown>,
): ReadonlySet<string> {
  const before = owners.find(({ entry }) => isManager(entry, manager))?.fields ?? [];
  const held = owners.filter(({ entry }) => !isManager(entry, manager)).flatMap(({ fields }) => [...fields]);
  const others = new Set([...held, ...mine.keys()]);
  // An item stays while somebody owns anything in it.
  const items = new Set([...others].flatMap(itemsAround));
  return new Set([...before].filter((path) => !others.has(path) && !items.has(path)));
}

/** Paths of the items of lists that a field is in, as the items themselves have them. */
function itemsAround(path: string): readonly string[] {
  if (!path.includes('"k:')) return [];
  const elements = JSON.parse(path) as string[];
  return elements.flatMap((element, index) =>
    element.startsWith('k:') ? [JSON.stringify([...elements.slice(0, index + 1), '.'])] : [],
  );
}

function withoutFields(
  value: unknown,
  schema: Schema | undefined,
  path: readonly string[],
  dropped: ReadonlySet<string>,
): unknown {
  if (Array.isArray(value)) {
    const type = listType(fieldName(path), value, schema);
    if (type.type === 'atomic') return value;
    return value.flatMap((item: unknown) => {
      const element = type.type === 'set' ? [`v:${JSON.stringify(item)}`] : [`k:${itemKey(item, type.keys)}`];
      const here = [...path, ...element];
      if (dropped.has(JSON.stringify(type.type === 'set' ? here : [...here, '.']))) return [];
      return [withoutFields(item, schema?.items, here, dropped)];
    });
  }
  if (!isRecord(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [field, inner] of Object.entries(value)) {
    const here = [...path, `f:${field}`];
    if (dropped.has(JSON.stringify(here))) continue;
    const left = withoutFields(inner, schema && fieldSchema(schema, path, field), here, dropped);
    // A map that lost all its fields was only there for them.
    const emptied = isEmpty(left) && !isEmpty(inner);
    if (!emptied) kept[field] = left;
  }
  return kept;
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

function merge(live: unknown, wanted: unknown, schema: Schema | undefined, path: readonly string[]): unknown {
  if (Array.isArray(wanted)) return mergeLists(live, wanted, schema, path);
  if (!isRecord(wanted) || !isRecord(live) || schema?.['x-kubernetes-map-type'] === 'atomic') return wanted;
  const merged: Record<string, unknown> = { ...live };
  for (const [field, inner] of Object.entries(wanted))
    merged[field] = merge(merged[field], inner, schema && fieldSchema(schema, path, field), [
      ...path,
      `f:${field}`,
    ]);
  return merged;
}

/** Items stay where they are; new ones come last. */
function mergeLists(
  live: unknown,
  wanted: readonly unknown[],
  schema: Schema | undefined,
  path: readonly string[],
): readonly unknown[] {
  const type = listType(fieldName(path), wanted, schema);
  if (type.type === 'atomic' || !Array.isArray(live)) return wanted;
  const keyOf = (item: unknown): string =>
    type.type === 'set' ? JSON.stringify(item) : itemKey(item, type.keys);
  const left = new Map(wanted.map((item) => [keyOf(item), item]));
  const merged = live.map((item: unknown) => {
    const change = left.get(keyOf(item));
    left.delete(keyOf(item));
    if (change === undefined || type.type === 'set') return item;
    return merge(item, change, schema?.items, [...path, `k:${keyOf(item)}`]);
  });
  return [...merged, ...left.values()];
}
