import type { Json } from '../store/object.ts';

/** A structural schema (OpenAPI v3 as CustomResourceDefinitions have it). */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly [keyword: string]: unknown;
}

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly description?: string;
  readonly format?: string;
  /** 0 is always shown, higher ones with `-o wide`. */
  readonly priority?: number;
  /** The text or number for an object. */
  readonly value: (object: Json) => unknown;
}

/** A kind of object the server knows. */
export interface ResourceKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Whether `/status` is written apart from the rest. */
  readonly hasStatus: boolean;
  /** Whether `metadata.generation` counts changes of what is wanted. */
  readonly counted: boolean;
  /** What objects look like; without one nothing is checked but the metadata. */
  readonly schema?: Schema;
  readonly description: string;
  readonly columns: readonly Column[];
  /** Reviews are answered and not kept; definitions are kept and not changed through the API. */
  readonly access: 'stored' | 'read-only' | 'review';
}

/** `group/plural`, the store's name. */
export function resourceId({ group, plural }: Pick<ResourceKind, 'group' | 'plural'>): string {
  return `${group}/${plural}`;
}

/** `plural.group`, as messages name it. */
export function resourceName({ group, plural }: Pick<ResourceKind, 'group' | 'plural'>): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** `apiVersion` of the kind's objects. */
export function apiVersion({ group, version }: Pick<ResourceKind, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Verbs of RBAC and discovery that the kind takes. */
export function verbsOf({ access }: ResourceKind): readonly string[] {
  if (access === 'review') return ['create'];
  if (access === 'read-only') return ['get', 'list', 'watch'];
  return ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
}
