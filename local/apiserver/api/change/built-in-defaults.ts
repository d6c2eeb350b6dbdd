import { isRecord } from '#base/record.ts';

import type { ApiObject } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';

/** The object with what the server fills in, for kinds without a schema of their own. */
export function builtInDefaults(kind: ResourceKind, object: ApiObject): ApiObject {
  switch (`${kind.group}/${kind.kind}`) {
    case '/Namespace':
      return namespace(object);
    case '/Service':
      return service(object);
    case '/Pod':
      return pod(object);
    case '/Secret':
      return secret(object);
    default:
      return object;
  }
}

function namespace(object: ApiObject): ApiObject {
  const labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
  return {
    ...object,
    metadata: { ...object.metadata, labels },
    spec: { finalizers: ['kubernetes'] },
    status: object.metadata.deletionTimestamp ? { phase: 'Terminating' } : { phase: 'Active' },
  };
}

/** Nothing leads connections to cluster IPs here, so there are none: every Service is headless. */
function service(object: ApiObject): ApiObject {
  const spec = isRecord(object.spec) ? object.spec : {};
  const ports = Array.isArray(spec.ports) ? spec.ports.filter(isRecord) : [];
  return {
    ...object,
    spec: {
      type: 'ClusterIP',
      sessionAffinity: 'None',
      ...spec,
      clusterIP: 'None',
      clusterIPs: ['None'],
      ports: ports.map((port) => ({ protocol: 'TCP', targetPort: port.port, ...port })),
    },
  };
}

function pod(object: ApiObject): ApiObject {
  const spec = isRecord(object.spec) ? object.spec : {};
  const status = isRecord(object.status) ? object.status : {};
  return {
    ...object,
    spec: { serviceAccountName: 'default', ...spec },
    status: { phase: 'Pending', ...status },
  };
}

/** `stringData` is a way to write, never to read. */
function secret(object: ApiObject): ApiObject {
  const { stringData, data, ...rest } = object;
  const given = isRecord(stringData) ? Object.entries(stringData) : [];
  const encoded = given.map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')]);
  const all = { ...(isRecord(data) ? data : {}), ...(Object.fromEntries(encoded) as object) };
  return {
    type: 'Opaque',
    ...rest,
    ...(Object.keys(all).length > 0 ? { data: all } : {}),
  };
}
