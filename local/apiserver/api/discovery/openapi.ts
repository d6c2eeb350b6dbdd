import { createHash } from 'node:crypto';

import { patchTypes } from '../change/patch.ts';
import type { ResourceKind, Schema } from '../kind.ts';
import type { Kinds } from '../kinds.ts';
import { apiVersion } from '../kind.ts';

const META: Schema = {
  type: 'object',
  description: 'Standard metadata of every object.',
  properties: {
    name: { type: 'string', description: 'Name of the object, alone of its kind in its namespace.' },
    namespace: { type: 'string', description: 'The namespace it lives in.' },
    generateName: { type: 'string', description: 'A beginning for a name that the server completes.' },
    labels: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'What selectors find it by.',
    },
    annotations: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'What programs note about it.',
    },
    finalizers: {
      type: 'array',
      items: { type: 'string' },
      description: 'Who must agree before it is gone.',
    },
    ownerReferences: { type: 'array', items: { type: 'object' }, description: 'Objects it goes with.' },
    resourceVersion: { type: 'string', description: 'Which version of the object this is; opaque.' },
    uid: { type: 'string', description: 'Tells this object from others that had the same name.' },
    generation: { type: 'integer', description: 'Counts changes of what is wanted.' },
    creationTimestamp: { type: 'string', format: 'date-time', description: 'When it was made.' },
    deletionTimestamp: {
      type: 'string',
      format: 'date-time',
      description: 'Since when it is being deleted.',
    },
    managedFields: { type: 'array', items: { type: 'object' }, description: 'Who wrote which field.' },
  },
};
const META_NAME = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const DRY_RUN = parameter('dryRun', 'All: nothing is kept.');
const FIELD_MANAGER = parameter('fieldManager', 'Who writes.');
const FIELD_VALIDATION = parameter(
  'fieldValidation',
  'Ignore, Warn or Strict: what becomes of unknown fields.',
);
const FORCE = { ...parameter('force', 'Takes contested fields over.'), schema: { type: 'boolean' } };

/** OpenAPI v3 documents by path, as `/openapi/v3` lists them. */
export class OpenApi {
  readonly #kinds: Kinds;
  readonly #texts = new Map<string, string>();

  constructor(kinds: Kinds) {
    this.#kinds = kinds;
  }

  /** `/openapi/v3`: which documents there are. */
  index(): object {
    const groups = [['', 'v1'], ...this.#kinds.groups].map(([group = '', version = '']) => {
      const name = group === '' ? `api/${version}` : `apis/${group}/${version}`;
      const hash = createHash('sha256')
        .update(this.document(name) ?? '')
        .digest('hex')
        .toUpperCase();
      return [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }];
    });
    return { paths: Object.fromEntries(groups) as object };
  }

  /** @param name `api/v1`, `apis/GROUP/VERSION`. @returns JSON */
  document(name: string): string | undefined {
    const known = this.#texts.get(name);
    if (known !== undefined) return known;
    const [root, ...parts] = name.split('/');
    const [group = '', version = ''] = root === 'api' ? ['', ...parts] : parts;
    const kinds = this.#kinds.in(group, version);
    if (kinds.length === 0) return undefined;
    const schemas = {
      [META_NAME]: META,
      ...Object.fromEntries(kinds.map((kind) => [schemaName(kind), schemaOf(kind, '#/components/schemas/')])),
    };
    const paths = Object.fromEntries(kinds.flatMap(pathsOf)) as object;
    const text = JSON.stringify({ openapi: '3.0.0', info: INFO, paths, components: { schemas } });
    this.#texts.set(name, text);
    return text;
  }

  /** `/openapi/v2`, for clients that know no newer form. */
  v2(): object {
    const { all } = this.#kinds;
    const definitions = {
      [META_NAME]: META,
      ...Object.fromEntries(all.map((kind) => [schemaName(kind), schemaOf(kind, '#/definitions/')])),
    };
    return { swagger: '2.0', info: INFO, paths: {}, definitions };
  }
}

const INFO = { title: 'mesh dev', version: 'v1' };

function parameter(name: string, description: string) {
  return { name, in: 'query', description, schema: { type: 'string' } };
}

function schemaName({ group, version, kind }: ResourceKind): string {
  const reversed = (group === '' ? 'core' : group).split('.').reverse().join('.');
  return `${reversed}.${version}.${kind}`;
}

function gvk({ group, version, kind }: ResourceKind) {
  return { group, version, kind };
}

function schemaOf(kind: ResourceKind, references: string): Schema {
  const { schema, description } = kind;
  const metadata = {
    allOf: [{ $ref: `${references}${META_NAME}` }],
    description: 'Standard metadata of every object.',
  };
  const typeFields = {
    apiVersion: { type: 'string', description: `Group and version of this object: ${apiVersion(kind)}.` },
    kind: { type: 'string', description: 'Kind of this object.' },
  };
  const open = schema ? {} : { 'x-kubernetes-preserve-unknown-fields': true };
  return {
    type: 'object',
    description,
    ...schema,
    properties: { ...typeFields, ...schema?.properties, metadata },
    ...open,
    'x-kubernetes-group-version-kind': [gvk(kind)],
  };
}

function pathsOf(kind: ResourceKind): readonly (readonly [string, object])[] {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const collection = `${root}/${kind.namespaced ? 'namespaces/{namespace}/' : ''}${kind.plural}`;
  const operation = (
    action: string,
    parameters: readonly object[] = [],
    contentTypes: readonly string[] = [],
  ): object => ({
    parameters,
    responses: { 200: { description: 'OK' } },
    ...(contentTypes.length > 0
      ? { requestBody: { content: Object.fromEntries(contentTypes.map((type) => [type, {}])) as object } }
      : {}),
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk(kind),
  });
  const writing = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
  const post = { post: operation('post', writing, ['application/json']) };
  if (kind.access === 'review') return [[collection, post]];
  const writes = kind.access === 'stored';
  return [
    [collection, { get: operation('list'), ...(writes ? post : {}) }],
    [
      `${collection}/{name}`,
      {
        get: operation('get'),
        ...(writes
          ? {
              put: operation('put', writing, ['application/json']),
              patch: operation('patch', [...writing, FORCE], patchTypes(kind)),
              delete: operation('delete', [DRY_RUN]),
            }
          : {}),
      },
    ],
  ];
}
