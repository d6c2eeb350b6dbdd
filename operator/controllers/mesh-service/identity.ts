import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import { allowedServiceAccounts } from '#core/model/mesh-service.ts';
import type { SharedIdentity } from '#core/model/service-identity.ts';
import { sharedIdentitySentence, someOf } from '#core/model/service-identity.ts';
import type { Pod } from '#kube/types.ts';

import { isFalse, isTrue } from '../../control-loop/conditions.ts';
import type { ConditionState } from '../../control-loop/conditions.ts';
import { claimOf } from '../../resources/member.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isInstance, podServiceAccount } from '../../resources/pod.ts';

export interface IdentitySituation {
  readonly service: MeshService;
  /** The pods of the namespace that are labelled as injected. */
  readonly pods: readonly Pod[];
  readonly rules: Pick<MemberRules, 'outside'>;
  /** What other services of the namespace have in common with this one. */
  readonly shared: SharedIdentity;
}

/** The pods that have this service's sidecar and whose ServiceAccount may not be it, running or not yet: they get no certificate. Pure. */
export function podsOfOthers({
  service,
  pods,
  rules,
}: Pick<IdentitySituation, 'service' | 'pods' | 'rules'>): readonly Pod[] {
  const allowed = new Set(allowedServiceAccounts(service));
  return pods.filter((pod) => {
    if (!isInstance(pod) || allowed.has(podServiceAccount(pod))) return false;
    const claim = claimOf(pod, rules);
    return !('fault' in claim) && claim.service === service.metadata.name;
  });
}

/** Who may be this service, who is it although it may not, and what its ServiceAccounts may be besides. Pure. */
export function identityConditions(situation: IdentitySituation): readonly ConditionState[] {
  const { service, shared } = situation;
  const allowed = allowedServiceAccounts(service);
  const wrong = [...new Set(podsOfOthers(situation).map(podServiceAccount))].sort();
  const sharing = sharedIdentitySentence(shared);
  return [
    wrong.length === 0 ? allowedCondition(service, allowed) : refusedCondition(service, allowed, wrong),
    sharing === undefined
      ? isTrue('IdentityExclusive', 'Exclusive', 'no other service of this namespace has its ServiceAccounts')
      : isFalse('IdentityExclusive', 'SharedServiceAccount', sharing),
  ];
}

function allowedCondition({ metadata }: MeshService, allowed: readonly string[]): ConditionState {
  const chosen =
    metadata.labels?.[LABELS.managedBy] === MANAGED_BY_VALUE
      ? ', which the operator chose by what runs under this name; to choose otherwise, write spec.serviceAccounts'
      : '';
  return isTrue(
    'IdentityAllowed',
    'Allowed',
    `pods of ${accountsText(allowed)} may be ${metadata.name}${chosen}`,
  );
}

function refusedCondition(
  { metadata }: MeshService,
  allowed: readonly string[],
  wrong: readonly string[],
): ConditionState {
  return isFalse(
    'IdentityAllowed',
    'ServiceAccountNotAllowed',
    `pods of ${accountsText(wrong)} call themselves ${metadata.name} and get no certificate; add to spec.serviceAccounts or change the pods (allowed: ${someOf(allowed) || 'none'})`,
  );
}

function accountsText(accounts: readonly string[]): string {
  return `ServiceAccount${accounts.length === 1 ? '' : 's'} ${someOf(accounts) || '(none)'}`;
}
