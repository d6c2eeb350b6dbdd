import type { BackingService, MeshService, MeshServiceStatus } from '#core/model/mesh-service.ts';
import type { SharedIdentity } from '#core/model/service-identity.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { Pod, Service } from '#kube/types.ts';

import { isFalse, isTrue } from '../../conditions.ts';
import type { ConditionState } from '../../conditions.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isInstance, isReady, podService } from '../../resources/pod.ts';
import { backingService, leadsToPods, standsFor } from '../../resources/service.ts';
import { identityConditions } from './identity.ts';

export interface MeshServiceSituation {
  readonly service: MeshService;
  readonly scope: IdentityScope;
  /** What is wrong with the MeshService, as sentences. */
  readonly faults: readonly string[];
  /** Every injected pod of the namespace, of this service or another. */
  readonly pods: readonly Pod[];
  /** Every Kubernetes Service of the namespace. */
  readonly services: readonly Service[];
  readonly rules: Pick<MemberRules, 'outside'>;
  /** What other MeshServices of the namespace have in common with this one. */
  readonly shared: SharedIdentity;
}

/** A MeshService's status without what depends on time. */
export type MeshServiceVerdict = Required<
  Pick<MeshServiceStatus, 'spiffeId' | 'virtualIPs' | 'services' | 'instances'>
> & {
  readonly conditions: readonly ConditionState[];
};

/** What the status of a MeshService says. Pure. */
export function decideMeshService(situation: MeshServiceSituation): MeshServiceVerdict {
  const { service, scope, faults, pods } = situation;
  const { name, namespace = '' } = service.metadata;
  const instances = pods.filter((pod) => podService(pod) === name && isInstance(pod));
  const backing = backingServices(situation, instances);
  return {
    spiffeId: serviceSpiffeId(scope, { namespace: namespaceName(namespace), service: serviceName(name) }),
    virtualIPs: [...new Set(backing.own.flatMap(({ clusterIPs }) => clusterIPs))],
    services: backing.own,
    instances: { ready: instances.filter(isReady).length, total: instances.length },
    conditions: [
      faults.length > 0
        ? isFalse('Accepted', 'Invalid', faults.join('; '))
        : isTrue('Accepted', 'Valid', 'nothing is wrong with it'),
      ...identityConditions(situation),
      reachable(name, backing),
      ready(instances),
    ],
  };
}

interface Backing {
  /** Services that lead to this service's pods and to no other service's. */
  readonly own: readonly BackingService[];
  /** Services that lead to this service's pods and to other services' as well, so that nobody can say who answers. */
  readonly shared: readonly { readonly name: string; readonly with: readonly string[] }[];
}

/**
 * The Kubernetes Services that stand for a MeshService: their selector matches injected pods of this very service. While it
 * has no pods, those it had before and the one of its own name, so that scaling to zero does not take the
 * mesh's eye off a cluster IP and let the next connection to it pass unprotected.
 */
function backingServices(
  { service, pods, services }: MeshServiceSituation,
  instances: readonly Pod[],
): Backing {
  const { name } = service.metadata;
  const known = new Set([name, ...(service.status?.services ?? []).map((backing) => backing.name)]);
  const isCandidate = (candidate: Service): boolean =>
    instances.length > 0
      ? instances.some((pod) => standsFor(candidate, pod))
      : known.has(candidate.metadata.name);
  const own: BackingService[] = [];
  const shared: { name: string; with: string[] }[] = [];
  for (const candidate of services.filter((one) => leadsToPods(one) && isCandidate(one)).sort(byName)) {
    const others = servicesBehind(candidate, pods).filter((other) => other !== name);
    if (others.length === 0) own.push(backingService(candidate));
    else if (instances.length > 0) shared.push({ name: candidate.metadata.name, with: others });
  }
  return { own, shared };
}

/** The mesh services whose pods a Kubernetes Service selects. */
export function servicesBehind(service: Service, pods: readonly Pod[]): string[] {
  const names = new Set<string>();
  for (const pod of pods) {
    const name = podService(pod);
    if (name !== undefined && isInstance(pod) && standsFor(service, pod)) names.add(name);
  }
  return [...names].sort();
}

function reachable(name: string, { own, shared }: Backing): ConditionState {
  const [ambiguous] = shared;
  if (ambiguous) {
    return isFalse(
      'Reachable',
      'SharedService',
      `Kubernetes Service ${ambiguous.name} selects pods of ${name} and of ${ambiguous.with.join(', ')}, so it stands for none of them; narrow its selector`,
    );
  }
  if (own.length > 0)
    return isTrue(
      'Reachable',
      'HasService',
      `reached through ${list(
        'Kubernetes Service',
        own.map((service) => service.name),
      )}`,
    );
  return isFalse(
    'Reachable',
    'NoService',
    `no Kubernetes Service selects pods of ${name}, so it can call others but nobody finds it; make one that selects its pods, headless will do`,
  );
}

function ready(instances: readonly Pod[]): ConditionState {
  if (instances.some(isReady))
    return isTrue('Ready', 'HasReadyInstance', 'at least one instance takes connections');
  return instances.length === 0
    ? isFalse('Ready', 'NoInstances', 'no pod of this service runs in the mesh')
    : isFalse('Ready', 'NoneReady', 'instances exist, none is ready');
}

function list(what: string, names: readonly string[]): string {
  return `${what}${names.length === 1 ? '' : 's'} ${names.join(', ') || '(none)'}`;
}

function byName(a: Service, b: Service): number {
  return a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;
}
