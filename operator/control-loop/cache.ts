import type { KubeObject } from '#core/resource.ts';
import { Reflector } from '#kube/watch/reflector.ts';
import type { ReflectorOptions } from '#kube/watch/reflector.ts';

/** An object as it was and as it is: added without `before`, removed without `after`. */
export interface Change<T> {
  readonly key: string;
  readonly before?: T;
  readonly after?: T;
}

export type ChangeListener<T> = (changes: readonly Change<T>[]) => void;

/** What controllers read: a copy of all objects of a kind, with those of a namespace at hand. */
export interface ObjectCache<T extends KubeObject> {
  get(key: string): T | undefined;
  all(): Iterable<T>;
  inNamespace(namespace: string): readonly T[];
  /** @returns a function that ends the subscription. */
  subscribe(listener: ChangeListener<T>): () => void;
}

export interface CacheOptions<T extends KubeObject> extends Omit<ReflectorOptions<T>, 'onChange'> {
  /** What metrics and readiness call it; default: the type's kind. */
  readonly name?: string;
}

/** A {@link Reflector} with many listeners and an index by namespace. */
export class Cache<T extends KubeObject> implements ObjectCache<T> {
  readonly name: string;
  readonly #reflector: Reflector<T>;
  readonly #objects = new Map<string, T>();
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #listeners = new Set<ChangeListener<T>>();

  constructor(options: CacheOptions<T>) {
    this.name = options.name ?? options.type.kind;
    this.#reflector = new Reflector<T>({
      ...options,
      onChange: (items, changed) => this.#take(items, changed),
    });
  }

  start(): void {
    this.#reflector.start();
  }

  stop(): Promise<void> {
    return this.#reflector.stop();
  }

  /** Resolves when the first list is in. */
  get synced(): Promise<void> {
    return this.#reflector.synced;
  }

  get hasSynced(): boolean {
    return this.#reflector.hasSynced;
  }

  /** When the server was last heard, as Unix time in milliseconds. */
  get lastSyncAt(): number | undefined {
    return this.#reflector.lastSyncAt;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Objects that are not kept, since their namespace has more than its share. */
  get leftOut(): number {
    return this.#reflector.stats.leftOut;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  all(): Iterable<T> {
    return this.#objects.values();
  }

  inNamespace(namespace: string): readonly T[] {
    return [...(this.#namespaces.get(namespace)?.values() ?? [])];
  }

  subscribe(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #take(items: ReadonlyMap<string, T>, changed: ReadonlySet<string>): void {
    const changes: Change<T>[] = [];
    for (const key of changed) {
      const before = this.#objects.get(key);
      const after = items.get(key);
      if (before === after) continue;
      this.#index(key, before, after);
      changes.push({ key, ...(before ? { before } : {}), ...(after ? { after } : {}) });
    }
    if (changes.length === 0) return;
    for (const listener of this.#listeners) listener(changes);
  }

  #index(key: string, before: T | undefined, after: T | undefined): void {
    const namespace = (after ?? before)?.metadata.namespace ?? '';
    const within = this.#namespaces.get(namespace) ?? new Map<string, T>();
    if (after) {
      this.#objects.set(key, after);
      within.set(key, after);
      this.#namespaces.set(namespace, within);
      return;
    }
    this.#objects.delete(key);
    within.delete(key);
    if (within.size === 0) this.#namespaces.delete(namespace);
  }
}
