import { isRecord } from '#base/record.ts';

import type { Fault } from '../fault.ts';
import { quoted } from '../fault.ts';
import { WILDCARD, nameFault } from '../names.ts';
import type { RawIntention } from '../policy/rule.ts';
import { parseSpiffeId } from '../spiffe-id.ts';
import { intentionSpecSchema } from './intention.ts';
import { schemaFaults } from './schema-faults.ts';

export interface IntentionContext {
  /** The mesh's own namespace, where rules for all namespaces live. */
  readonly meshNamespace: string;
  /** This mesh's trust domain, when it is known. */
  readonly trustDomain?: string;
}

/**
 * Everything that is wrong with an Intention itself, each with what to write instead; what depends on other objects or on the
 * time is in `intention-warnings.ts`. Nothing in `spec` is trusted. Never throws.
 */
export function intentionFaults(intention: RawIntention, context: IntentionContext): readonly Fault[] {
  const { spec } = intention;
  if (!isRecord(spec))
    return [{ field: 'spec', message: 'is missing; write source, destination and action' }];
  const home = intention.metadata.namespace ?? '';
  const own = [
    ...sourceFaults(spec.source, context),
    ...destinationFaults(spec, home, context.meshNamespace),
    ...overrideFaults(spec.override, home, context.meshNamespace),
  ];
  const fields = new Set(own.map(({ field }) => field));
  return [
    ...own,
    ...schemaFaults(intentionSpecSchema, spec, 'spec').filter(({ field }) => !fields.has(field)),
  ];
}

function sourceFaults(source: unknown, { trustDomain }: IntentionContext): Fault[] {
  if (!isRecord(source)) return [];
  const { service, namespace, spiffeId } = source;
  if (spiffeId !== undefined) return spiffeFaults(spiffeId, source, trustDomain);
  if (service === undefined) {
    return [
      {
        field: 'spec.source',
        message:
          'names no workload; write service (and namespace) for a service of this mesh, or spiffeId for one of a federated trust domain',
      },
    ];
  }
  const faults = [
    ...namedFault('spec.source.service', 'service name', service),
    ...namedFault('spec.source.namespace', 'namespace', namespace),
  ];
  if (faults.length === 0 && namespace === WILDCARD && service !== WILDCARD) {
    faults.push({
      field: 'spec.source.service',
      message: `${quoted(service)} of every namespace cannot be named; write service "*" for all services of all namespaces, or one namespace`,
    });
  }
  return faults;
}

function spiffeFaults(
  spiffeId: unknown,
  source: Record<string, unknown>,
  trustDomain: string | undefined,
): Fault[] {
  const field = 'spec.source.spiffeId';
  const faults: Fault[] = [];
  if (source.service !== undefined || source.namespace !== undefined) {
    faults.push({
      field: 'spec.source',
      message:
        'has both spiffeId and service or namespace; write one of them: service for this mesh, spiffeId for a federated trust domain',
    });
  }
  if (typeof spiffeId !== 'string') return faults;
  const id = parseSpiffeId(spiffeId);
  if (!id) {
    faults.push({
      field,
      message: `${quoted(spiffeId)} is not a valid SPIFFE ID; write spiffe://<trust domain in lower case>/<path>, without "..", "%", a port or a slash at the end`,
    });
  } else if (id.trustDomain === trustDomain) {
    faults.push({
      field,
      message: `${quoted(spiffeId)} is of this mesh's own trust domain; ${ownServiceAdvice(id.path)}`,
    });
  }
  return faults;
}

function ownServiceAdvice(path: string): string {
  const [, namespace, service] = /^\/ns\/([^/]+)\/dc\/[^/]+\/svc\/([^/]+)$/.exec(path) ?? [];
  if (namespace === undefined || service === undefined) return 'write service and namespace instead';
  return `write service: ${service} and namespace: ${namespace} instead`;
}

function destinationFaults(
  { destination, override }: Record<string, unknown>,
  home: string,
  meshNamespace: string,
): Fault[] {
  if (!isRecord(destination)) return [];
  const { service, namespace } = destination;
  const faults = [
    ...namedFault('spec.destination.service', 'service name', service),
    ...namedFault('spec.destination.namespace', 'namespace', namespace),
  ];
  if (faults.length > 0 || typeof namespace !== 'string' || namespace === home) return faults;
  const field = 'spec.destination.namespace';
  if (namespace !== WILDCARD) {
    if (home === meshNamespace && override === true) return [];
    const orOverride = home === meshNamespace ? ', or write override: true' : '';
    return [
      {
        field,
        message: `a rule lives in the namespace of its destination; leave this out, or create the Intention in namespace ${quoted(namespace)}${orOverride}`,
      },
    ];
  }
  if (home !== meshNamespace) {
    return [
      {
        field,
        message: `"*" is allowed only in the mesh's own namespace; leave this out for this namespace, or create the Intention in namespace ${quoted(meshNamespace)}`,
      },
    ];
  }
  if (service === WILDCARD) return [];
  return [
    {
      field: 'spec.destination.service',
      message: `${quoted(service)} of every namespace cannot be named; write service "*", or a rule in each namespace`,
    },
  ];
}

function overrideFaults(override: unknown, home: string, meshNamespace: string): Fault[] {
  if (override !== true || home === meshNamespace) return [];
  return [
    {
      field: 'spec.override',
      message: `true counts in the mesh's own namespace only and has no effect here; remove it, or create the Intention in namespace ${quoted(meshNamespace)}`,
    },
  ];
}

function namedFault(field: string, what: string, value: unknown): Fault[] {
  if (typeof value !== 'string') return [];
  const message = nameFault(what, value, true);
  return message === undefined ? [] : [{ field, message }];
}
