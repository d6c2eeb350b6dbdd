import type { MeshService, MeshServiceStatus } from '#core/model/mesh-service.ts';
import type { SharedIdentity } from '#core/model/service-identity.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { Pod } from '#kube/types.ts';

import { isFalse, isTrue } from '../../control-loop/conditions.ts';
import type { ConditionState } from '../../control-loop/conditions.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isInstance, isReady, podService } from '../../resources/pod.ts';
import type { Reach } from '../catalog/decide.ts';
import { unclear } from '../catalog/occurrences.ts';
import { identityConditions } from './identity.ts';

export interface MeshServiceSituation {
  readonly service: MeshService;
  readonly scope: IdentityScope;
  /** What is wrong with the MeshService, as sentences. */
  readonly faults: readonly string[];
  /** Every injected pod of the namespace, of this service or another. */
  readonly pods: readonly Pod[];
  /** How it is reached. */
  readonly reach: Reach;
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
  const { service, scope, faults, pods, reach } = situation;
  const { name, namespace = '' } = service.metadata;
  const instances = pods.filter((pod) => podService(pod) === name && isInstance(pod));
  const services = reach.kind === 'reachable' ? reach.services : [];
  return {
    spiffeId: serviceSpiffeId(scope, { namespace: namespaceName(namespace), service: serviceName(name) }),
    virtualIPs: [...new Set(services.flatMap(({ clusterIPs }) => clusterIPs))],
    services,
    instances: { ready: instances.filter(isReady).length, total: instances.length },
    conditions: [
      faults.length > 0
        ? isFalse('Accepted', 'Invalid', faults.join('; '))
        : isTrue('Accepted', 'Valid', 'nothing is wrong with it'),
      ...identityConditions(situation),
      reachable(name, reach),
      ready(instances),
    ],
  };
}

function reachable(name: string, reach: Reach): ConditionState {
  const fault = unclear(name, reach);
  if (fault) return isFalse('Reachable', fault.reason, fault.message);
  if (reach.kind === 'reachable') {
    const names = reach.services.map((service) => service.name);
    return isTrue('Reachable', 'HasService', `reached through ${list('Kubernetes Service', names)}`);
  }
  return isFalse(
    'Reachable',
    'NoService',
    `no Kubernetes Service selects pods of ${name}, so it can call others but no client finds it; make one that selects its pods, headless will do`,
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
