import { isRecord } from '#base/record.ts';

import type { Json } from '../../store/object.ts';
import { itemKey, listType } from './list-keys.ts';

const DELETE_VALUES = '$deleteFromPrimitiveList/';
const ORDER = '$setElementOrder/';

/**
 * Strategic merge patch, which kubectl sends for Kubernetes' own kinds (Kubernetes, "Strategic Merge Patch"): lists whose
 * items have keys are merged item by item. Left out: the order that `$setElementOrder` asks for.
 */
export function strategicMerge(live: unknown, patch: Json): Json {
  if (patch['$patch'] === 'replace') return withoutDirectives(patch);
  const base: Record<string, unknown> = isRecord(live) ? { ...live } : {};
  const retained = patch['$retainKeys'];
  if (Array.isArray(retained)) {
    const kept = new Set<unknown>(retained);
    for (const key of Object.keys(base)) if (!kept.has(key)) delete base[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_VALUES)) {
      const field = key.slice(DELETE_VALUES.length);
      const doomed = new Set<unknown>(Array.isArray(value) ? value : []);
      if (Array.isArray(base[field])) base[field] = base[field].filter((item) => !doomed.has(item));
    } else if (key.startsWith('$') || key.startsWith(ORDER)) continue;
    else if (value === null || (isRecord(value) && value['$patch'] === 'delete')) delete base[key];
    else base[key] = mergeValue(key, base[key], value);
  }
  return base;
}

function mergeValue(field: string, before: unknown, patch: unknown): unknown {
  if (isRecord(patch)) return strategicMerge(before, patch);
  if (!Array.isArray(patch)) return patch;
  const items: readonly unknown[] = patch.filter((item) => !(isRecord(item) && item['$patch'] === 'replace'));
  const live: readonly unknown[] | undefined = Array.isArray(before) ? before : undefined;
  if (items.length < patch.length || !live) return items.map(plain).filter((item) => item !== undefined);
  const type = listType(field, items, undefined);
  if (type.type === 'atomic') return items;
  if (type.type === 'set') return [...new Set([...live, ...items])];
  const merged = new Map(live.map((item) => [itemKey(item, type.keys), item]));
  for (const item of items as Json[]) {
    const key = itemKey(item, type.keys);
    if (item['$patch'] === 'delete') merged.delete(key);
    else merged.set(key, strategicMerge(merged.get(key), item));
  }
  return [...merged.values()];
}

function plain(item: unknown): unknown {
  if (!isRecord(item)) return item;
  return item['$patch'] === 'delete' ? undefined : strategicMerge({}, item);
}

function withoutDirectives(patch: Json): Json {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith('$')));
}
