import type { ObjectName, ResourceType, Selection } from '../api.ts';

/**
 * Where a collection of objects lives: `/api/v1/namespaces/shop/pods`; without a namespace, that of all namespaces.
 *
 * @throws RangeError when a namespace is given for a type that has none
 */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  if (namespace === undefined || namespace === '') return `${root}/${type.plural}`;
  if (!type.namespaced)
    throw new RangeError(`${type.kind} is cluster-scoped; leave the namespace "${namespace}" out`);
  return `${root}/namespaces/${encodeURIComponent(namespace)}/${type.plural}`;
}

/**
 * Where one object lives.
 *
 * @throws RangeError when the name is empty, or the namespace of a namespaced type is missing
 */
export function objectPath(
  type: ResourceType,
  { name, namespace }: ObjectName,
  subresource?: string,
): string {
  if (name === '') throw new RangeError(`the ${type.kind} has no name`);
  if (name === '.' || name === '..' || name.includes('/'))
    throw new RangeError(`no ${type.kind} can be named "${name}"`);
  if (type.namespaced && !namespace) throw new RangeError(`the ${type.kind} "${name}" has no namespace`);
  const path = `${collectionPath(type, namespace)}/${encodeURIComponent(name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** Query parameters, leaving out what is undefined. */
export function query(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? '' : `?${search.toString()}`;
}

/** The selectors of a selection as query parameters. */
export function selectors(selection: Selection): {
  labelSelector: string | undefined;
  fieldSelector: string | undefined;
} {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}
