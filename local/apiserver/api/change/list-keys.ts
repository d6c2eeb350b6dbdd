import type { Schema } from '../kind.ts';

/** How the items of a list are told apart: by keys, by value, or not at all (the list is one value). */
export type ListType =
  | { readonly type: 'map'; readonly keys: readonly string[] }
  | { readonly type: 'set' }
  | { readonly type: 'atomic' };

/** Lists of Kubernetes' own kinds that are merged, by field and by what their items have. The rest are replaced whole. */
const BUILT_IN: Readonly<Record<string, readonly (readonly string[])[]>> = {
  conditions: [['type']],
  containers: [['name']],
  env: [['name']],
  imagePullSecrets: [['name']],
  initContainers: [['name']],
  ownerReferences: [['uid']],
  podIPs: [['ip']],
  ports: [['containerPort'], ['port']],
  secrets: [['name']],
  volumeMounts: [['mountPath']],
  volumes: [['name']],
  webhooks: [['name']],
};
const ATOMIC: ListType = { type: 'atomic' };

/**
 * What holds for a list.
 *
 * @param schema of the list; undefined where the kind has none
 */
export function listType(field: string, items: readonly unknown[], schema: Schema | undefined): ListType {
  if (schema) {
    const type = schema['x-kubernetes-list-type'] ?? 'atomic';
    return type === 'map' ? { type, keys: schema['x-kubernetes-list-map-keys'] ?? [] } : { type };
  }
  if (field === 'finalizers') return { type: 'set' };
  const keys = BUILT_IN[field]?.find((candidate) =>
    items.every((item) =>
      candidate.every((key) => (item as Record<string, unknown> | null)?.[key] !== undefined),
    ),
  );
  return keys && items.length > 0 ? { type: 'map', keys } : ATOMIC;
}

/** The keys of an item and their values, as `k:{...}` has them: in the order of their names. */
export function itemKey(item: unknown, keys: readonly string[]): string {
  const values = item as Record<string, unknown>;
  return JSON.stringify(Object.fromEntries([...keys].sort().map((key) => [key, values[key]])));
}
