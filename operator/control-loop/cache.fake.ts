import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';

import type { Change, ChangeListener, ObjectCache } from './cache.ts';

/** A cache that tests fill by hand. */
export class FakeCache<T extends KubeObject> implements ObjectCache<T> {
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<ChangeListener<T>>();

  constructor(objects: readonly T[] = []) {
    for (const object of objects) this.#objects.set(objectKey(object), object);
  }

  put(object: T): void {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#tell({ key, after: object, ...(before ? { before } : {}) });
  }

  remove(key: string): void {
    const before = this.#objects.get(key);
    if (before && this.#objects.delete(key)) this.#tell({ key, before });
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  all(): Iterable<T> {
    return this.#objects.values();
  }

  inNamespace(namespace: string): readonly T[] {
    return [...this.#objects.values()].filter((object) => object.metadata.namespace === namespace);
  }

  subscribe(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener([change]);
  }
}
