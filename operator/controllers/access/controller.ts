import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import { objectKey } from '#core/resource.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { KubeApi, ObjectName, ResourceType } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS } from '#kube/types.ts';
import type { ClusterRoleBinding, Namespace, Pod, RoleBinding } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import { ACCESS_NAME } from '../../config/names.ts';
import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import { holds } from '../../control-loop/matches.ts';
import type { OperatorMetrics } from '../../metrics/metrics.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isBecauseTerminating, isTerminating } from '../../resources/namespace.ts';
import { CATALOG_ROLE, accountsOf, localSubjects, roleBinding, sharedSubjects } from './decide.ts';
import type { AccountSubject, Subjects } from './decide.ts';

export interface AccessControllerDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** Pods that are labelled as injected. */
  readonly pods: ObjectCache<Pod>;
  readonly rules: MemberRules;
  readonly namespaces: ObjectCache<Namespace>;
  /** Those of the name {@link ACCESS_NAME}. */
  readonly roleBindings: ObjectCache<RoleBinding>;
  readonly clusterRoleBindings: ObjectCache<ClusterRoleBinding>;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'accessLeftOut'>;
  readonly meshNamespace: string;
  readonly owner: OwnerReference | undefined;
}

type Binding = RoleBinding | ClusterRoleBinding;

/** The key of what all namespaces share; no namespace has this name. */
const SHARED = '*';
/** Between two writes of what all namespaces share: in a large cluster that is a large object, and Jobs come and go. */
const SHARED_INTERVAL_MS = 1_000;

/** Lets sidecars read what they need, and takes it back when the last pod of their account is gone. Keys are namespaces. */
export class AccessController implements ControllerDuty {
  readonly name = 'access';
  readonly #deps: AccessControllerDeps;
  readonly #leftOut = new Map<string, number>();
  #sharedAt = -Infinity;

  constructor(deps: AccessControllerDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { pods, roleBindings, clusterRoleBindings, meshNamespace } = this.#deps;
    const addFor = (namespace: string | undefined): void => {
      if (namespace) add(namespace === meshNamespace ? SHARED : namespace);
    };
    return [
      pods.subscribe((changes) => {
        for (const { before, after } of changes) addFor((after ?? before)?.metadata.namespace);
        add(SHARED);
      }),
      roleBindings.subscribe((changes) =>
        changes.forEach(({ before, after }) => addFor((after ?? before)?.metadata.namespace)),
      ),
      clusterRoleBindings.subscribe(() => add(SHARED)),
      () => this.#deps.metrics.accessLeftOut.reset(),
    ];
  }

  keys(): Iterable<string> {
    const { pods, roleBindings, meshNamespace } = this.#deps;
    const namespaces = new Set<string>([SHARED]);
    for (const { metadata } of [...pods.all(), ...roleBindings.all()])
      namespaces.add(metadata.namespace ?? '');
    namespaces.delete('');
    namespaces.delete(meshNamespace);
    return namespaces;
  }

  async reconcile(key: string): Promise<Requeue | void> {
    return key === SHARED ? this.#shared() : this.#local(key);
  }

  async #local(namespace: string): Promise<void> {
    const { pods, rules, namespaces } = this.#deps;
    const { subjects } = this.#counted(
      namespace,
      localSubjects(namespace, accountsOf(pods.inNamespace(namespace), rules)),
    );
    // What a namespace that goes away holds goes with it, and nothing can be made there any more.
    if (isTerminating(namespaces.get(namespace))) return;
    if (subjects.length > 0) await this.#keep(namespace, subjects);
    else if (this.#isOurs(namespace)) await this.#remove(namespace);
  }

  /** A binding of our name that somebody else made is left alone where no sidecar needs it. */
  #isOurs(namespace: string): boolean {
    const found = this.#deps.roleBindings.get(objectKey({ metadata: nameIn(namespace) }));
    return found?.metadata.labels?.[LABELS.managedBy] === MANAGED_BY_VALUE;
  }

  async #shared(): Promise<Requeue | void> {
    const { pods, rules, meshNamespace, clock } = this.#deps;
    const wait = this.#sharedAt + SHARED_INTERVAL_MS - clock.now();
    if (wait > 0) return { requeueAfterMs: wait };
    const byNamespace = new Map<string, Pod[]>();
    for (const pod of pods.all()) {
      const namespace = pod.metadata.namespace ?? '';
      const found = byNamespace.get(namespace);
      if (found) found.push(pod);
      else byNamespace.set(namespace, [pod]);
    }
    const accounts = new Map(
      [...byNamespace].map(([namespace, some]) => [namespace, accountsOf(some, rules)] as const),
    );
    const { subjects } = this.#counted(SHARED, sharedSubjects(accounts));
    if (await this.#keep(meshNamespace, subjects)) this.#sharedAt = clock.now();
    if (await this.#keepCatalog(subjects)) this.#sharedAt = clock.now();
  }

  /** The chart makes it, so that nobody needs the right to make ClusterRoleBindings. @returns whether it was written */
  async #keepCatalog(subjects: readonly AccountSubject[]): Promise<boolean> {
    const found = this.#deps.clusterRoleBindings.get(ACCESS_NAME);
    if (found?.roleRef.name !== CATALOG_ROLE)
      throw new Error(
        `ClusterRoleBinding "${ACCESS_NAME}" of the ClusterRole "${CATALOG_ROLE}" is missing, without which sidecars find no service: it is part of the chart; run helm upgrade`,
      );
    return this.#write(CLUSTER_ROLE_BINDINGS, found, { subjects });
  }

  /** @returns whether it was written */
  async #keep(namespace: string, subjects: readonly AccountSubject[]): Promise<boolean> {
    const { roleBindings, owner, meshNamespace } = this.#deps;
    const wanted = roleBinding(namespace, subjects, namespace === meshNamespace ? undefined : owner);
    const found = roleBindings.get(objectKey(wanted));
    return found ? this.#change(found, wanted) : this.#create(wanted);
  }

  async #change(found: RoleBinding, wanted: RoleBinding): Promise<boolean> {
    const namespace = wanted.metadata.namespace ?? '';
    if (!holds(found.roleRef, wanted.roleRef)) {
      // The role of a binding cannot be changed, only the whole binding.
      await this.#remove(namespace);
      return this.#create(wanted);
    }
    const { subjects = [], metadata } = wanted;
    const { labels, ownerReferences } = metadata;
    // The one in the mesh's namespace is the chart's.
    const ours = namespace === this.#deps.meshNamespace ? {} : { metadata: { labels, ownerReferences } };
    return this.#write(ROLE_BINDINGS, found, { subjects, ...ours });
  }

  async #write<T extends Binding>(
    type: ResourceType<T>,
    found: T,
    wanted: { readonly subjects: NonNullable<Binding['subjects']>; readonly metadata?: object },
  ): Promise<boolean> {
    const { api, log } = this.#deps;
    if (holds({ subjects: [], ...found }, wanted) && found.metadata.deletionTimestamp === undefined)
      return false;
    const { name, namespace, resourceVersion } = found.metadata;
    const patch = { ...wanted, metadata: { ...wanted.metadata, resourceVersion } };
    try {
      await api.mergePatch(type, { name, ...(namespace ? { namespace } : {}) }, patch);
      log.info(
        { kind: type.kind, namespace, subjects: wanted.subjects.length },
        'changed who may read the mesh',
      );
      return true;
    } catch (error) {
      // Our cache is behind: the change that it lacks brings us back.
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  async #create(wanted: RoleBinding): Promise<boolean> {
    const { api, log } = this.#deps;
    const namespace = wanted.metadata.namespace ?? '';
    try {
      await api.create(ROLE_BINDINGS, wanted);
      log.info({ namespace, subjects: wanted.subjects?.length ?? 0 }, 'let sidecars read rules');
      return true;
    } catch (error) {
      if (isBecauseTerminating(error)) return false;
      if (!isAlreadyExists(error)) throw error;
      // Our cache is behind.
      return this.#change(await api.get(ROLE_BINDINGS, nameIn(namespace)), wanted);
    }
  }

  async #remove(namespace: string): Promise<void> {
    const { api, log } = this.#deps;
    try {
      await api.delete(ROLE_BINDINGS, nameIn(namespace));
      log.info({ namespace }, 'took a binding of sidecars back');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #counted(key: string, decided: Subjects): Subjects {
    const { log, metrics } = this.#deps;
    const scope = key === SHARED ? 'cluster' : 'namespace';
    const before = this.#leftOut.get(key) ?? 0;
    if (decided.leftOut > 0) this.#leftOut.set(key, decided.leftOut);
    else this.#leftOut.delete(key);
    const sums = { cluster: 0, namespace: 0 };
    for (const [of, count] of this.#leftOut) sums[of === SHARED ? 'cluster' : 'namespace'] += count;
    metrics.accessLeftOut.set({ scope }, sums[scope]);
    if (decided.leftOut > before)
      log.error(
        { reason: 'too-many-accounts', namespace: key, leftOut: decided.leftOut },
        'sidecars of some ServiceAccounts get no access: there are more accounts than a binding holds',
      );
    return decided;
  }
}

function nameIn(namespace: string): ObjectName & { readonly namespace: string } {
  return { name: ACCESS_NAME, namespace };
}
