import type { ApiObject } from '../store/object.ts';
import type { Change, ObjectStore } from '../store/object-store.ts';
import type { Kinds } from '../api/kinds.ts';
import type { Writer } from '../api/change/writer.ts';

export interface GarbageCollectorDeps {
  readonly store: ObjectStore;
  readonly kinds: Kinds;
  readonly writer: Pick<Writer, 'delete'>;
}

/** Deletes what belongs to objects that are gone: all of an object's owners, or the namespace it lives in. */
export class GarbageCollector {
  readonly #deps: GarbageCollectorDeps;
  readonly #unsubscribe: () => void;

  constructor(deps: GarbageCollectorDeps) {
    this.#deps = deps;
    for (const namespace of deps.store.list('/namespaces')) this.#empty(namespace);
    for (const { owned, resource } of this.#owned()) this.#look(resource, owned);
    this.#unsubscribe = deps.store.subscribe((change) => queueMicrotask(() => this.#onChange(change)));
  }

  stop(): void {
    this.#unsubscribe();
  }

  #onChange({ type, resource, object }: Change): void {
    if (type === 'DELETED') {
      const { uid, namespace } = object.metadata;
      for (const { owned, resource: its } of this.#owned())
        if (owned.metadata.ownerReferences?.some((owner) => owner.uid === uid)) this.#look(its, owned);
      const home = namespace === undefined ? undefined : this.#deps.store.get('/namespaces', namespace);
      if (home) this.#empty(home);
    } else if (resource === '/namespaces') this.#empty(object);
    else if (type === 'ADDED') this.#look(resource, object);
  }

  *#owned(): Generator<{ readonly resource: string; readonly owned: ApiObject }> {
    for (const resource of this.#deps.store.resources)
      for (const owned of this.#deps.store.list(resource))
        if (owned.metadata.ownerReferences?.length) yield { resource, owned };
  }

  /** Deletes an object none of whose owners is there. */
  #look(resource: string, object: ApiObject): void {
    const owners = object.metadata.ownerReferences ?? [];
    const isThere = (owner: (typeof owners)[number]): boolean => {
      const kind = this.#deps.kinds.all.find(
        ({ kind: name, group }) => name === owner.kind && group === groupOf(owner.apiVersion),
      );
      // Whether an owner of a kind that is not known here exists nobody can say.
      if (!kind) return true;
      const { namespace } = object.metadata;
      const key = kind.namespaced && namespace ? `${namespace}/${owner.name}` : owner.name;
      return this.#deps.store.get(`${kind.group}/${kind.plural}`, key)?.metadata.uid === owner.uid;
    };
    if (owners.length > 0 && !owners.some(isThere)) this.#delete(resource, object);
  }

  /** Deletes what is in a namespace that is being deleted, and then itself. */
  #empty(namespace: ApiObject): void {
    if (!namespace.metadata.deletionTimestamp) return;
    const { store } = this.#deps;
    const { name, finalizers = [] } = namespace.metadata;
    const inside = (resource: string): readonly ApiObject[] =>
      store.list(resource).filter(({ metadata }) => metadata.namespace === name);
    for (const resource of store.resources)
      for (const object of inside(resource))
        if (!object.metadata.deletionTimestamp) this.#delete(resource, object);
    const left = store.resources.some((resource) => inside(resource).length > 0);
    if (!left && finalizers.length === 0 && store.get('/namespaces', name))
      store.remove('/namespaces', namespace);
  }

  #delete(resource: string, { metadata: { name, namespace, uid } }: ApiObject): void {
    const kind = this.#deps.kinds.byResource(resource);
    const there = this.#deps.store.get(resource, namespace ? `${namespace}/${name}` : name);
    if (kind && there?.metadata.uid === uid)
      this.#deps.writer.delete({ kind, namespace, name }, { dryRun: false });
  }
}

function groupOf(apiVersion: unknown): string {
  return typeof apiVersion === 'string' && apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}
