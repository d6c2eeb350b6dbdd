import { isRecord } from '#base/record.ts';

import type { ApiObject, Json } from '../store/object.ts';
import type { Column, ResourceKind, Schema } from './kind.ts';

/** What a CustomResourceDefinition says, as far as it is used here. */
interface DefinitionSpec {
  readonly group: string;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly names: {
    readonly kind: string;
    readonly plural: string;
    readonly singular: string;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
  };
  readonly versions: readonly {
    readonly name: string;
    readonly subresources?: { readonly status?: object };
    readonly additionalPrinterColumns?: readonly (Omit<Column, 'value'> & { readonly jsonPath: string })[];
    readonly schema: { readonly openAPIV3Schema: Schema };
  }[];
}

/**
 * The kind that a CustomResourceDefinition of ours defines. They come from this repository, not from users, and have one version.
 *
 * @throws Error when it has no version
 */
export function definedKind(definition: ApiObject): ResourceKind {
  const { group, scope, names, versions } = definition.spec as DefinitionSpec;
  const [version] = versions;
  if (!version) throw new Error(`the definition ${definition.metadata.name} has no version`);
  const schema = version.schema.openAPIV3Schema;
  return {
    group,
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    singular: names.singular,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    hasStatus: version.subresources?.status !== undefined,
    counted: true,
    access: 'stored',
    schema,
    description: schema.description ?? '',
    columns: (version.additionalPrinterColumns ?? []).map(({ jsonPath, ...column }) => ({
      ...column,
      value: (object) => shown(read(object, jsonPath)),
    })),
  };
}

/** Paths of our own definitions: names with dots between, nothing else. */
function read(object: Json, jsonPath: string): unknown {
  return jsonPath
    .slice(1)
    .split('.')
    .reduce<unknown>((value, field) => (isRecord(value) ? value[field] : undefined), object);
}

function shown(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}
