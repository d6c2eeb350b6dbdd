import { isRecord } from '#base/record.ts';

import type { ApiObject, Json } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import { apiVersion } from '../kind.ts';
import type { Cause } from '../api-status-error.ts';
import { badRequest, invalid } from '../api-status-error.ts';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** Roles and bindings are named by paths: almost anything goes. */
const PATH_SEGMENT = /^(?!\.{1,2}$)[^/%]+$/;
const QUALIFIED = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const MAX_ANNOTATIONS = 256 * 1024;

const SUBDOMAIN_HINT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_HINT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/**
 * Reads what a client sends as an object.
 *
 * @throws ApiStatusError 400 when it is none, or one of another kind
 */
export function readObject(body: unknown, kind: ResourceKind): ApiObject {
  if (!isRecord(body)) throw badRequest('the body is not an object');
  const { metadata = {}, ...rest } = body as { metadata?: Json };
  if (!isRecord(metadata)) throw badRequest('metadata is not an object');
  const given = {
    ...(kind.schema ? {} : { apiVersion: apiVersion(kind), kind: kind.kind }),
    ...rest,
  } as unknown as ApiObject;
  checkType(given, kind, metadata);
  for (const field of ['name', 'namespace', 'generateName', 'resourceVersion', 'uid'])
    if (metadata[field] !== undefined && typeof metadata[field] !== 'string')
      throw badRequest(`metadata.${field} is not a string`);
  for (const field of ['finalizers', 'ownerReferences', 'managedFields'])
    if (metadata[field] !== undefined && metadata[field] !== null && !Array.isArray(metadata[field]))
      throw badRequest(`metadata.${field} is not a list`);
  const present = Object.entries(metadata).filter(([, value]) => value !== null);
  return { ...given, metadata: Object.fromEntries(present) } as unknown as ApiObject;
}

/** Custom resources must say what they are; of Kubernetes' own kinds the path says it as well. */
function checkType(given: ApiObject, kind: ResourceKind, { name }: Json): void {
  if (typeof given.kind !== 'string')
    throw badRequest(
      `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: Object 'Kind' is missing`,
    );
  if (given.apiVersion !== apiVersion(kind)) {
    throw badRequest(
      `the API version in the data (${String(given.apiVersion)}) does not match the expected API version (${apiVersion(kind)})`,
    );
  }
  if (given.kind === kind.kind) return;
  const message = `Invalid value: ${JSON.stringify(given.kind)}: must be ${kind.kind}`;
  if (kind.schema)
    throw invalid(kind, typeof name === 'string' ? name : '', [
      { reason: 'FieldValueInvalid', message, field: 'kind' },
    ]);
  throw badRequest(`the kind in the data (${given.kind}) does not match the expected kind (${kind.kind})`);
}

/** What is wrong with the metadata, empty when nothing is. */
export function metadataFaults(kind: ResourceKind, { metadata }: ApiObject): readonly Cause[] {
  const { name, labels = {}, annotations = {} } = metadata;
  const faults: Cause[] = nameFaults(kind, name);
  for (const [field, values] of Object.entries({ labels, annotations })) {
    if (!isRecord(values)) {
      faults.push(fault(`metadata.${field}`, 'Invalid value: must be a map of strings'));
      continue;
    }
    for (const [key, value] of Object.entries(values)) {
      if (!QUALIFIED.test(key))
        faults.push(
          fault(
            `metadata.${field}`,
            `Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
          ),
        );
      if (typeof value !== 'string')
        faults.push(fault(`metadata.${field}`, `Invalid value: ${JSON.stringify(value)}: must be a string`));
      else if (field === 'labels' && !LABEL_VALUE.test(value))
        faults.push(
          fault(
            'metadata.labels',
            `Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
          ),
        );
    }
  }
  if (JSON.stringify(annotations).length > MAX_ANNOTATIONS)
    faults.push({
      reason: 'FieldValueTooLong',
      message: `Too long: must have at most ${MAX_ANNOTATIONS} bytes`,
      field: 'metadata.annotations',
    });
  return faults;
}

function nameFaults({ group, kind }: ResourceKind, name: string): Cause[] {
  if (group === 'rbac.authorization.k8s.io')
    return PATH_SEGMENT.test(name) ? [] : [nameFault(name, "may not contain '/' or '%', nor be '.' or '..'")];
  const isLabel = kind === 'Namespace' || kind === 'Service';
  if (name.length <= (isLabel ? 63 : 253) && (isLabel ? LABEL : SUBDOMAIN).test(name)) return [];
  return [nameFault(name, isLabel ? LABEL_HINT : SUBDOMAIN_HINT)];
}

function nameFault(name: string, hint: string): Cause {
  return fault('metadata.name', `Invalid value: ${JSON.stringify(name)}: ${hint}`);
}

function fault(field: string, message: string): Cause {
  return { reason: 'FieldValueInvalid', message, field };
}
