import type { ApiObject } from '../../store/object.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { MASTERS } from './user.ts';
import type { User } from './user.ts';

/** What somebody wants to do to a resource, or with `path` to something that is none. */
export interface Attributes {
  readonly verb: string;
  readonly group?: string;
  /** With the subresource: `pods/status`. */
  readonly resource?: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly path?: string;
}

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

const RBAC = 'rbac.authorization.k8s.io';
/** What everybody with a token may read: what there is to ask for. */
const PUBLIC_PATHS = /^\/(api|apis|openapi|version|healthz|livez|readyz)(\/|$)/;

/** Kubernetes' RBAC, from the roles and bindings that are stored. Whatever no rule allows is refused. */
export class Authorizer {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  allows(user: User, wanted: Attributes): boolean {
    if (user.groups.includes(MASTERS)) return true;
    if (wanted.path !== undefined && wanted.verb === 'get' && PUBLIC_PATHS.test(wanted.path)) return true;
    return this.#rulesOf(user, wanted.namespace).some((rule) => covers(rule, wanted));
  }

  *#grants(user: User, namespace: string | undefined): Generator<ApiObject> {
    const about = (binding: ApiObject): boolean => {
      const home = binding.metadata.namespace;
      return list<Subject>(binding.subjects).some((subject) => isSubject(subject, user, home));
    };
    yield* this.#store.list(`${RBAC}/clusterrolebindings`).filter(about);
    if (namespace === undefined) return;
    const here = this.#store
      .list(`${RBAC}/rolebindings`)
      .filter(({ metadata }) => metadata.namespace === namespace);
    yield* here.filter(about);
  }

  #rulesOf(user: User, namespace: string | undefined): readonly Rule[] {
    return [...this.#grants(user, namespace)].flatMap((binding) => {
      const { kind, name } = binding.roleRef as { kind: string; name: string };
      const role =
        kind === 'ClusterRole'
          ? this.#store.get(`${RBAC}/clusterroles`, name)
          : this.#store.get(`${RBAC}/roles`, `${binding.metadata.namespace ?? ''}/${name}`);
      return list<Rule>(role?.rules);
    });
  }
}

function isSubject({ kind, name, namespace }: Subject, user: User, home: string | undefined): boolean {
  if (kind === 'Group') return user.groups.includes(name);
  if (kind === 'ServiceAccount')
    return user.username === `system:serviceaccount:${namespace ?? home ?? ''}:${name}`;
  return kind === 'User' && user.username === name;
}

function covers(rule: Rule, { verb, group = '', resource, name, path }: Attributes): boolean {
  if (!has(rule.verbs, verb)) return false;
  if (path !== undefined)
    return list<string>(rule.nonResourceURLs).some(
      (url) => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))),
    );
  const [plural = '', subresource] = (resource ?? '').split('/');
  const resources = list<string>(rule.resources);
  const named =
    has(resources, resource ?? '') || (subresource !== undefined && resources.includes(`*/${subresource}`));
  if (!named || !has(rule.apiGroups, group) || plural === '') return false;
  const names = list<string>(rule.resourceNames);
  return names.length === 0 || (name !== undefined && names.includes(name));
}

function has(values: readonly string[] | undefined, value: string): boolean {
  return list<string>(values).some((one) => one === '*' || one === value);
}

/** Roles are written by people: what is not a list counts as empty. */
function list<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [];
}
