import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import { someOf } from '#core/model/service-identity.ts';
import type { Pod } from '#kube/types.ts';

import { memberOf } from '../../resources/member.ts';
import type { MemberRules } from '../../resources/member.ts';
import { podServiceAccount } from '../../resources/pod.ts';

/**
 * Label on a MeshService that was made for a workload that ends (a Job, a pod that is not started again): the ServiceAccount it was made for.
 * What ends must not own a name for good: charts run Jobs before the workload that the name is meant for.
 */
export const PROVISIONAL_LABEL = 'mesh.dev/provisional';
/** The longest value of a label. A longer ServiceAccount keeps the service for good. */
const MAX_LABEL = 63;

export interface CreateSituation {
  readonly namespace: string;
  readonly name: string;
  /** The pods of the namespace that are labelled as injected. */
  readonly pods: readonly Pod[];
  readonly rules: MemberRules;
}

/** Whose a service becomes that nobody defined. */
export interface Choice {
  readonly account: string;
  /** What runs as this account, such as `Deployment db` or `pod db-0`. */
  readonly workload: string;
  /** Whether that workload ends by itself. */
  readonly ends: boolean;
  /** Other ServiceAccounts whose workloads run under the same name, and get no certificate. */
  readonly others: readonly string[];
}

/**
 * Who owns a service that nobody defined: of the workloads that run under its name the one whose ServiceAccount has that name too, else one
 * that goes on before one that ends, else the one that was there first. Pods that no node runs have no say. Undefined when none runs.
 * Pure.
 */
export function choiceFor({ namespace, name, pods, rules }: CreateSituation): Choice | undefined {
  const running = pods.filter(
    (pod) =>
      pod.metadata.namespace === namespace &&
      pod.metadata.deletionTimestamp === undefined &&
      memberOf(pod, rules)?.service === name,
  );
  const [first] = [...running].sort(
    (a, b) =>
      Number(!isNamedSo(a, name)) - Number(!isNamedSo(b, name)) || endingLast(a, b) || olderFirst(a, b),
  );
  if (!first) return undefined;
  const account = podServiceAccount(first);
  const accounts = new Set(running.map(podServiceAccount));
  accounts.delete(account);
  return { account, workload: workloadName(first), ends: ends(first), others: [...accounts].sort() };
}

/** The MeshService to make for a choice. */
export function meshServiceFor(namespace: string, name: string, { account, ends }: Choice): MeshService {
  return {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshService',
    metadata: {
      name,
      namespace,
      labels: {
        [LABELS.managedBy]: MANAGED_BY_VALUE,
        ...(ends && account.length <= MAX_LABEL ? { [PROVISIONAL_LABEL]: account } : {}),
      },
    },
    spec: { serviceAccounts: [account] },
  };
}

/**
 * The better choice for a MeshService that was made for a workload that ends, once nothing runs as its account any more and one that goes on
 * runs under the name. Undefined for every other: what people wrote or changed is theirs, and a workload that is scaled to zero keeps its name.
 * Pure.
 */
export function betterChoice(
  service: MeshService,
  pods: readonly Pod[],
  rules: MemberRules,
): Choice | undefined {
  const { name, namespace = '', labels } = service.metadata;
  const account = labels?.[PROVISIONAL_LABEL];
  const [only, ...more] = service.spec?.serviceAccounts ?? [];
  const isAsMade = labels?.[LABELS.managedBy] === MANAGED_BY_VALUE && only === account && more.length === 0;
  if (account === undefined || !isAsMade) return undefined;
  const choice = choiceFor({ namespace, name, pods, rules });
  if (!choice || choice.ends || choice.account === account) return undefined;
  return choice.others.includes(account) ? undefined : choice;
}

/** What was chosen, for people. */
export function choiceSentence({ account, workload, others }: Choice): string {
  const rest =
    others.length === 0
      ? ''
      : `; pods of ServiceAccount ${someOf(others)} run under this name too, and may not be it`;
  return `pods of ServiceAccount ${account} may be it, because ${workload} runs under this name${rest}; to choose otherwise, write spec.serviceAccounts`;
}

function isNamedSo(pod: Pod, name: string): boolean {
  return podServiceAccount(pod) === name;
}

/** Whether the pod runs to its end and is not started again, as those of Jobs. */
function ends({ spec }: Pod): boolean {
  return spec?.restartPolicy === 'Never' || spec?.restartPolicy === 'OnFailure';
}

function workloadName(pod: Pod): string {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true);
  return owner ? `${owner.kind} ${owner.name}` : `pod ${pod.metadata.name}`;
}

function endingLast(a: Pod, b: Pod): number {
  return Number(ends(a)) - Number(ends(b));
}

function olderFirst(a: Pod, b: Pod): number {
  return (
    compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compare(a.metadata.name, b.metadata.name)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
