import type { ApiObject } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import type { ResourceRequest } from '../request.ts';

/** A form in which objects are answered. */
export interface View {
  readonly object: (object: ApiObject) => object;
  /** @param metadata of the list */
  readonly list: (items: readonly ApiObject[], metadata: object) => object;
}

const NAME = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, alone in its namespace.',
  priority: 0,
};
const AGE = {
  name: 'Age',
  type: 'date',
  format: '',
  description: 'Time since the object was made.',
  priority: 0,
};

/** The form that the request's Accept header asks for first among those the server knows; JSON when it names none. */
export function viewOf({ kind, accept, query }: Pick<ResourceRequest, 'kind' | 'accept' | 'query'>): View {
  const [wanted] = accept.split(',').flatMap((part) => {
    const [type, ...parameters] = part.split(';').map((text) => text.trim());
    if (type !== 'application/json' && type !== '*/*') return [];
    const as = parameters.find((text) => text.startsWith('as='))?.slice(3);
    if (as !== undefined && !parameters.includes('v=v1') && !parameters.includes('v=v1beta1')) return [];
    return [as ?? ''];
  });
  if (wanted === 'Table') return tableView(kind, query.get('includeObject') ?? 'Metadata');
  if (wanted === 'PartialObjectMetadata' || wanted === 'PartialObjectMetadataList') return metadataView;
  return plainView(kind);
}

function plainView(kind: ResourceKind): View {
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  return {
    object: (object) => object,
    list: (items, metadata) => ({ kind: `${kind.kind}List`, apiVersion, metadata, items }),
  };
}

const metadataView: View = {
  object: partial,
  list: (items, metadata) => ({
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    items: items.map(partial),
  }),
};

function partial({ metadata }: ApiObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
}

/** `kubectl get` asks for tables (Kubernetes, "Receiving resources as Tables"). */
function tableView(kind: ResourceKind, include: string): View {
  const ownAge = kind.columns.some(({ name }) => name === 'Age');
  const columnDefinitions = [
    NAME,
    ...kind.columns.map(({ name, type, format = '', description = '', priority = 0 }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    ...(ownAge ? [] : [AGE]),
  ];
  const row = (object: ApiObject): object => ({
    cells: [
      object.metadata.name,
      ...kind.columns.map(({ type, value }) => cell(type, value(object))),
      ...(ownAge ? [] : [cell('date', object.metadata.creationTimestamp)]),
    ],
    ...(include === 'None' ? {} : { object: include === 'Object' ? object : partial(object) }),
  });
  const table = (items: readonly ApiObject[], metadata: object): object => ({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions,
    rows: items.map(row),
  });
  return {
    object: (object) => table([object], { resourceVersion: object.metadata.resourceVersion }),
    list: table,
  };
}

function cell(type: string, value: unknown): unknown {
  if (value === undefined) return null;
  return type === 'date' ? age(value as string) : value;
}

/** Times as kubectl shows them; seen at the moment of the request. */
function age(time: string): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return '<invalid>';
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return `${minutes}m${seconds % 60 === 0 ? '' : `${seconds % 60}s`}`;
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return `${hours}h${minutes % 60 === 0 ? '' : `${minutes % 60}m`}`;
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
