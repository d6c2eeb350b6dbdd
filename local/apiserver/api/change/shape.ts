import { randomInt } from 'node:crypto';

import type { ApiObject, Json } from '../../store/object.ts';
import { without } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import { badRequest, invalid } from '../api-status-error.ts';

/** What an object is made of: what of a request belongs into it, and what of it counts. Pure, but for the names it makes up. */

/** In the namespace of the request. */
export function placed(object: ApiObject, kind: ResourceKind, namespace: string | undefined): ApiObject {
  const own = object.metadata.namespace;
  if (own !== undefined && own !== '' && own !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  const metadata = without(object.metadata, 'namespace');
  return { ...object, metadata: { ...metadata, ...(kind.namespaced && namespace ? { namespace } : {}) } };
}

export function named(object: ApiObject, kind: ResourceKind): ApiObject {
  const { name, generateName } = object.metadata;
  if (name) return object;
  if (!generateName) {
    const cause = {
      reason: 'FieldValueRequired',
      message: 'Required value: name or generateName is required',
      field: 'metadata.name',
    };
    throw invalid(kind, '', [cause]);
  }
  return { ...object, metadata: { ...object.metadata, name: `${generateName}${suffix()}` } };
}

/** Of an applied configuration, what the subresource is about. */
export function part(kind: ResourceKind, wanted: ApiObject, subresource: string | undefined): ApiObject {
  if (!kind.hasStatus) return wanted;
  if (subresource !== 'status') return withoutStatus(wanted);
  const { apiVersion, kind: name, metadata, status } = wanted;
  const { namespace } = metadata;
  const place = { name: metadata.name, ...(namespace ? { namespace } : {}) };
  return { apiVersion, kind: name, metadata: place, ...(status === undefined ? {} : { status }) };
}

/** Status and the rest are written apart. */
export function merged(
  kind: ResourceKind,
  before: ApiObject,
  wanted: ApiObject,
  subresource: string | undefined,
): ApiObject {
  if (!kind.hasStatus) return wanted;
  const status = (from: ApiObject): object => (from.status === undefined ? {} : { status: from.status });
  if (subresource !== 'status') return { ...withoutStatus(wanted), ...status(before) };
  const { resourceVersion, managedFields } = wanted.metadata;
  // Labels and annotations of the built-in kinds may be written along with the status; of defined kinds nothing may.
  const { labels, annotations } = kind.schema ? before.metadata : wanted.metadata;
  const metadata = {
    ...without(before.metadata, 'labels', 'annotations'),
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(managedFields ? { managedFields } : {}),
  };
  return { ...withoutStatus(before), metadata, ...status(wanted) };
}

export function withoutStatus(object: ApiObject): ApiObject {
  const copy: Record<string, unknown> = { ...object };
  delete copy.status;
  return copy as ApiObject;
}

/** What generations count: all but metadata and status. */
export function desired(object: ApiObject): Json {
  return without(object, 'metadata', 'status');
}

/** The object without what every write changes. */
export function comparable(object: ApiObject): Json {
  const metadata = without(object.metadata, 'resourceVersion', 'managedFields');
  const owners = (object.metadata.managedFields ?? []).map((entry) => without(entry, 'time'));
  return { ...object, metadata: { ...metadata, owners } };
}

export function present(values: Json): Json {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';

function suffix(): string {
  return Array.from({ length: 5 }, () => SUFFIX[randomInt(SUFFIX.length)]).join('');
}
