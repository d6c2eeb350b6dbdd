import { holds } from '../../matches.ts';
import type { KubeObject, OwnerReference } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import type { KubeApi, ObjectName, ResourceType } from '#kube/api.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#kube/log.ts';
import { CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS } from '#kube/types.ts';
import type { ClusterRoleBinding, Namespace, Pod, RoleBinding } from '#kube/types.ts';
import type { Requeue } from '#kube/work-queue.ts';

import type { ObjectCache } from '../../cache.ts';
import type { ControllerDuty } from '../../controller.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isBecauseTerminating, isTerminating } from '../../resources/namespace.ts';
import { accessNames, decideAccess, namespaceOfBinding } from './decide.ts';

export interface AccessControllerParts {
  readonly api: KubeApi;
  /** Pods that are labelled as injected. */
  readonly pods: ObjectCache<Pod>;
  readonly rules: MemberRules;
  readonly namespaces: ObjectCache<Namespace>;
  /** Bindings that carry our label. */
  readonly roleBindings: ObjectCache<RoleBinding>;
  readonly clusterRoleBindings: ObjectCache<ClusterRoleBinding>;
  readonly log: Logger;
  readonly meshNamespace: string;
  readonly owner: OwnerReference | undefined;
}

type Binding = RoleBinding | ClusterRoleBinding;

/** Lets the sidecars of a namespace read what they need, and takes it back when the last is gone. Keys are namespaces. */
export class AccessController implements ControllerDuty {
  readonly name = 'access';
  readonly #parts: AccessControllerParts;

  constructor(parts: AccessControllerParts) {
    this.#parts = parts;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { pods, roleBindings, clusterRoleBindings } = this.#parts;
    const addFor = (bindings: readonly (Binding | undefined)[]): void => {
      for (const binding of bindings) {
        const namespace = binding && namespaceOfBinding(binding);
        if (namespace) add(namespace);
      }
    };
    return [
      pods.subscribe((changes) => {
        for (const { before, after } of changes) {
          const namespace = (after ?? before)?.metadata.namespace;
          if (namespace) add(namespace);
        }
      }),
      roleBindings.subscribe((changes) => changes.forEach(({ before, after }) => addFor([before, after]))),
      clusterRoleBindings.subscribe((changes) =>
        changes.forEach(({ before, after }) => addFor([before, after])),
      ),
    ];
  }

  keys(): Iterable<string> {
    const { pods, roleBindings, clusterRoleBindings } = this.#parts;
    const namespaces = new Set<string>();
    for (const pod of pods.all()) namespaces.add(pod.metadata.namespace ?? '');
    for (const binding of [...roleBindings.all(), ...clusterRoleBindings.all()]) {
      const namespace = namespaceOfBinding(binding);
      if (namespace) namespaces.add(namespace);
    }
    namespaces.delete('');
    return namespaces;
  }

  async reconcile(namespace: string): Promise<Requeue | void> {
    const { pods, rules, namespaces, roleBindings, clusterRoleBindings, meshNamespace, owner } = this.#parts;
    const wanted = decideAccess({
      ...{ namespace, meshNamespace, owner, rules },
      pods: pods.inNamespace(namespace),
    });
    const names = accessNames(namespace, meshNamespace);
    const at = (name: ObjectName) => (binding: Binding) =>
      objectKey(binding) === objectKey({ metadata: name });
    await this.#keep(
      CLUSTER_ROLE_BINDINGS,
      clusterRoleBindings,
      names.cluster,
      wanted.catalog.find(at(names.cluster)),
    );
    await this.#keep(ROLE_BINDINGS, roleBindings, names.mesh, wanted.policy.find(at(names.mesh)));
    // What a namespace that goes away holds goes with it, and nothing can be made there any more.
    if (isTerminating(namespaces.get(namespace))) return;
    await this.#keep(ROLE_BINDINGS, roleBindings, names.local, wanted.policy.find(at(names.local)));
  }

  async #keep<T extends Binding & KubeObject>(
    type: ResourceType<T>,
    cache: ObjectCache<T>,
    name: ObjectName,
    wanted: T | undefined,
  ): Promise<void> {
    const { api, log } = this.#parts;
    const found = cache.get(objectKey({ metadata: name }));
    if (!wanted) {
      if (found) await this.#remove(type, name);
      return;
    }
    if (!found) {
      await this.#create(type, name, wanted);
      return;
    }
    if (holds(found, wanted) && found.metadata.deletionTimestamp === undefined) return;
    if (!holds(found.roleRef, wanted.roleRef)) {
      // The role of a binding cannot be changed, only the whole binding.
      await this.#remove(type, name);
      await this.#create(type, name, wanted);
      return;
    }
    const { resourceVersion } = found.metadata;
    try {
      await api.update(type, {
        ...wanted,
        metadata: { ...wanted.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      });
      log.info(
        { binding: objectKey(wanted), subjects: subjectNames(wanted) },
        'changed who may read the mesh',
      );
    } catch (error) {
      // Our cache is behind: the change it lacks brings this namespace back here.
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  async #create<T extends Binding & KubeObject>(
    type: ResourceType<T>,
    name: ObjectName,
    wanted: T,
  ): Promise<void> {
    const { api, log } = this.#parts;
    try {
      await api.create(type, wanted);
      log.info({ binding: objectKey(wanted), subjects: subjectNames(wanted) }, 'let sidecars read the mesh');
    } catch (error) {
      if (isBecauseTerminating(error)) return;
      if (!isAlreadyExists(error)) throw error;
      // Either our cache is behind, or somebody else's binding stands in the way, without our label.
      const there = await api.get(type, name);
      if (!holds(there, wanted)) await this.#takeOver(type, there, wanted);
    }
  }

  async #takeOver<T extends Binding & KubeObject>(type: ResourceType<T>, there: T, wanted: T): Promise<void> {
    if (!holds(there.roleRef, wanted.roleRef)) {
      await this.#remove(type, there.metadata);
      await this.#parts.api.create(type, wanted);
      return;
    }
    const { resourceVersion } = there.metadata;
    await this.#parts.api.update(type, {
      ...wanted,
      metadata: { ...wanted.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
    });
  }

  async #remove<T extends Binding & KubeObject>(
    type: ResourceType<T>,
    { name, namespace }: ObjectName,
  ): Promise<void> {
    const { api, log } = this.#parts;
    try {
      await api.delete(type, { name, ...(namespace ? { namespace } : {}) });
      log.info({ binding: namespace ? `${namespace}/${name}` : name }, 'took a binding of sidecars back');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function subjectNames(binding: Binding): readonly string[] {
  return (binding.subjects ?? []).map((subject) => subject.name);
}
