import type { MeshService } from '#core/model/mesh-service.ts';
import { allowedServiceAccounts } from '#core/model/mesh-service.ts';
import type { SharedIdentity } from '#core/model/service-identity.ts';

/** As many of those that share an account are named, and looked at again when one more joins them. */
const MAX_OTHERS = 4;

/** Which MeshServices allow the same ServiceAccounts, kept up to date one at a time; an answer costs the same however many there are. */
export class AccountIndex {
  /** `namespace/account` -> names of services. */
  readonly #names = new Map<string, Set<string>>();

  /**
   * Takes in a MeshService, a change of one, or that it is gone.
   *
   * @returns names of other services of the namespace for which it may now be otherwise
   */
  take(before: MeshService | undefined, after: MeshService | undefined): ReadonlySet<string> {
    const { name, namespace = '' } = (after ?? before)?.metadata ?? { name: '' };
    const was = new Set(before ? allowedServiceAccounts(before) : []);
    const is = new Set(after ? allowedServiceAccounts(after) : []);
    const affected = new Set<string>();
    for (const account of new Set([...was, ...is])) {
      if (was.has(account) === is.has(account)) continue;
      const key = `${namespace}/${account}`;
      const names = this.#names.get(key) ?? new Set<string>();
      if (is.has(account)) this.#names.set(key, names.add(name));
      else names.delete(name);
      if (names.size === 0) this.#names.delete(key);
      for (const other of firstOf(names, name)) affected.add(other);
    }
    return affected;
  }

  /** What other services of its namespace share with this one, of very many the first few. */
  sharedWith(service: MeshService): SharedIdentity {
    const { name, namespace = '' } = service.metadata;
    const services = new Set<string>();
    const accounts: string[] = [];
    for (const account of allowedServiceAccounts(service)) {
      const others = firstOf(this.#names.get(`${namespace}/${account}`) ?? new Set(), name);
      if (others.length > 0) accounts.push(account);
      for (const other of others) services.add(other);
    }
    return { services: [...services].sort(), accounts: accounts.sort() };
  }
}

function firstOf(names: ReadonlySet<string>, except: string): readonly string[] {
  const found: string[] = [];
  for (const name of names) {
    if (name !== except) found.push(name);
    if (found.length === MAX_OTHERS) break;
  }
  return found;
}
