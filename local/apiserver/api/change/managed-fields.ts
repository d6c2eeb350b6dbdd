import { isDeepStrictEqual } from 'node:util';

import type { ApiObject, ManagedFields } from '../../store/object.ts';
import { without } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import { apiVersion } from '../kind.ts';
import { MAX_UPDATE_MANAGERS } from '../limits.ts';
import { fieldsOf, fromFieldsV1, toFieldsV1 } from './field-set.ts';

/** Who writes: one entry of `managedFields`. */
export interface Manager {
  readonly name: string;
  readonly operation: ManagedFields['operation'];
  readonly subresource: string | undefined;
  readonly time: string;
}

/** The fields each manager owns. */
export type Owners = readonly { readonly entry: ManagedFields; readonly fields: ReadonlySet<string> }[];

export function ownersOf(object: ApiObject | undefined): Owners {
  const entries = object?.metadata.managedFields ?? [];
  return entries.map((entry) => ({ entry, fields: fromFieldsV1(entry.fieldsV1 ?? {}) }));
}

export function isManager(entry: ManagedFields, { name, operation, subresource }: Manager): boolean {
  return entry.manager === name && entry.operation === operation && entry.subresource === subresource;
}

/** The object with its owners written down. Managers without a field are left out. */
export function withOwners(object: ApiObject, owners: Owners): ApiObject {
  const managedFields = owners
    .filter(({ fields }) => fields.size > 0)
    .map(({ entry, fields }) => ({ ...entry, fieldsV1: toFieldsV1(fields) }));
  const metadata = without(object.metadata, 'managedFields');
  return { ...object, metadata: { ...metadata, ...(managedFields.length > 0 ? { managedFields } : {}) } };
}

/** Owners in which one manager has exactly these fields. */
export function ownedBy(
  owners: Owners,
  kind: ResourceKind,
  manager: Manager,
  fields: ReadonlySet<string>,
): Owners {
  const others = owners.filter(({ entry }) => !isManager(entry, manager));
  const before = owners.find(({ entry }) => isManager(entry, manager));
  const same = before && isDeepStrictEqual(before.fields, fields);
  const entry: ManagedFields = {
    manager: manager.name,
    operation: manager.operation,
    apiVersion: apiVersion(kind),
    time: (same ? before.entry.time : undefined) ?? manager.time,
    fieldsType: 'FieldsV1',
    fieldsV1: {},
    ...(manager.subresource === undefined ? {} : { subresource: manager.subresource }),
  };
  return [...others, { entry, fields }];
}

/**
 * The new object with its owners after an update or a patch: who changed a field owns it, alone.
 *
 * @param before undefined for a new object
 */
export function trackedUpdate(
  kind: ResourceKind,
  before: ApiObject | undefined,
  after: ApiObject,
  manager: Manager,
): ApiObject {
  const old = before ? fieldsOf(before, kind.schema) : new Map<string, unknown>();
  const now = fieldsOf(after, kind.schema);
  const changed = new Set(
    [...now]
      .filter(([path, value]) => !old.has(path) || !isDeepStrictEqual(old.get(path), value))
      .map(([path]) => path),
  );
  // A client may take entries away itself: `metadata.managedFields` of the request counts when there is one.
  const owners = ownersOf(after.metadata.managedFields ? after : before);
  if (changed.size === 0 && [...old.keys()].every((path) => now.has(path))) return withOwners(after, owners);
  const left = owners.map(({ entry, fields }) => ({
    entry,
    fields: new Set(
      [...fields].filter((path) => now.has(path) && (!changed.has(path) || isManager(entry, manager))),
    ),
  }));
  const mine = left.find(({ entry }) => isManager(entry, manager))?.fields ?? [];
  return withOwners(after, capped(ownedBy(left, kind, manager, new Set([...mine, ...changed]))));
}

/** Those who update an object may be many, each under a name of its own; the ones that came first become one, as in Kubernetes. */
function capped(owners: Owners): Owners {
  const updates = owners.filter(({ entry }) => entry.operation === 'Update');
  const over = updates.length - MAX_UPDATE_MANAGERS;
  if (over <= 0) return owners;
  const byTime = [...updates].sort((a, b) => ((a.entry.time ?? '') < (b.entry.time ?? '') ? -1 : 1));
  const [first, ...more] = byTime.slice(0, over + 1);
  if (!first) return owners;
  const fields = new Set([first, ...more].flatMap((owner) => [...owner.fields]));
  const ancient = { entry: { ...first.entry, manager: 'ancient-changes' }, fields };
  const merged = new Set([first, ...more]);
  return [ancient, ...owners.filter((owner) => !merged.has(owner))];
}
