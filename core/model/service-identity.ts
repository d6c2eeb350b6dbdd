import type { MeshService } from './mesh-service.ts';
import { allowedServiceAccounts } from './mesh-service.ts';

/**
 * Which services of a namespace a ServiceAccount may be. A certificate is bound to the ServiceAccount of its pod, so services that share
 * one are one to an attacker: whoever controls a pod of the one can run a pod of the other.
 */

/** Names in one sentence; a namespace may have thousands. */
const MAX_NAMES = 3;

/** What services have in common. */
export interface SharedIdentity {
  /** The other services, in order; empty when nothing is shared. */
  readonly services: readonly string[];
  /** The ServiceAccounts by which they are shared. */
  readonly accounts: readonly string[];
}

/**
 * The services besides `name` that one of these ServiceAccounts may be.
 *
 * @param services MeshServices of one namespace
 */
export function sharedIdentity(
  name: string,
  accounts: readonly string[],
  services: readonly MeshService[],
): SharedIdentity {
  const wanted = new Set(accounts);
  const shared = new Set<string>();
  const others: string[] = [];
  for (const service of services) {
    const common = allowedServiceAccounts(service).filter((account) => wanted.has(account));
    if (service.metadata.name === name || common.length === 0) continue;
    others.push(service.metadata.name);
    for (const account of common) shared.add(account);
  }
  return { services: others.sort(), accounts: [...shared].sort() };
}

/** `a, b, c, …`: a few of the names. */
export function someOf(names: readonly string[]): string {
  return `${names.slice(0, MAX_NAMES).join(', ')}${names.length > MAX_NAMES ? ', …' : ''}`;
}

/** What it means that several services share a ServiceAccount, and what to do; undefined when none do. */
export function sharedIdentitySentence({ services, accounts }: SharedIdentity): string | undefined {
  if (services.length === 0) return undefined;
  return `pods of ServiceAccount ${someOf(accounts)} may also be ${someOf(services)}: these services can take each other's identity; give each a ServiceAccount of its own`;
}

/**
 * What the author of a pod should know about its service's name when the pod is created: that it is taken by other ServiceAccounts, or that
 * the pod's ServiceAccount may be other services as well.
 *
 * @param services MeshServices of the pod's namespace
 */
export function podIdentityWarnings(
  service: string,
  account: string,
  services: readonly MeshService[],
): readonly string[] {
  const own = services.find(({ metadata }) => metadata.name === service);
  const allowed = own ? allowedServiceAccounts(own) : [account];
  if (!allowed.includes(account)) {
    return [
      `service ${service} belongs to ServiceAccount ${someOf(allowed) || '(none)'}: this pod of ServiceAccount ${account} gets no certificate for it; write another name in mesh/service, or add ${account} to spec.serviceAccounts of MeshService ${service}`,
    ];
  }
  const shared = sharedIdentitySentence(sharedIdentity(service, [account], services));
  return shared === undefined ? [] : [shared];
}
