import type { ObjectMeta } from '#core/resource.ts';

/** One entry of `metadata.managedFields` (Kubernetes, "Server-Side Apply"). */
export interface ManagedFields {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly time?: string;
  readonly fieldsType: 'FieldsV1';
  readonly fieldsV1: FieldsV1;
  readonly subresource?: string;
}

export interface FieldsV1 {
  readonly [element: string]: FieldsV1;
}

export interface ApiMeta extends ObjectMeta {
  readonly generateName?: string;
  readonly managedFields?: readonly ManagedFields[];
  readonly deletionGracePeriodSeconds?: number;
}

/** An object as the API server keeps it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ApiMeta;
  readonly [field: string]: unknown;
}

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** The object with some of its fields left out. */
export function without<T extends object, Key extends keyof T>(
  object: T,
  ...keys: readonly Key[]
): Omit<T, Key> {
  const copy: Partial<T> = { ...object };
  for (const key of keys) delete copy[key];
  return copy as Omit<T, Key>;
}
