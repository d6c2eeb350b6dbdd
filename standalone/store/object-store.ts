import { objectKey } from '#core/resource.ts';

import type { Journal } from './journal.ts';
import type { ApiObject } from './object.ts';

/** A change, as watches deliver it. */
export interface Change {
  readonly version: number;
  /** `group/plural`. */
  readonly resource: string;
  readonly key: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** After the change; of a deletion the last state, with the deletion's resourceVersion. */
  readonly object: ApiObject;
  readonly previous?: ApiObject;
}

/** How many changes are remembered for watches that come back, and pages that are read on. */
const HISTORY = 10_000;

/**
 * Every object, in memory, with one resourceVersion for all of them as etcd has it; each change is in the journal before
 * anybody hears of it. What was changed before the process started is forgotten, as after a compaction.
 */
export class ObjectStore {
  readonly #journal: Journal;
  readonly #historyLimit: number;
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  #history: Change[] = [];
  #version: number;
  #oldest: number;

  constructor(journal: Journal, historyLimit = HISTORY) {
    this.#journal = journal;
    this.#historyLimit = historyLimit;
    const { version, entries } = journal.load();
    for (const { resource, key, text } of entries)
      if (text !== undefined) this.#of(resource).set(key, JSON.parse(text) as ApiObject);
    // Zero means "any version" to clients.
    this.#version = Math.max(1, version);
    this.#oldest = this.#version;
  }

  get version(): number {
    return this.#version;
  }

  /** The oldest resourceVersion from which changes are known. */
  get oldest(): number {
    return this.#oldest;
  }

  get(resource: string, key: string): ApiObject | undefined {
    return this.#objects.get(resource)?.get(key);
  }

  /** Names of everything that is stored somewhere. */
  get resources(): readonly string[] {
    return [...this.#objects.keys()];
  }

  /**
   * Objects of a resource, sorted by key.
   *
   * @param version as they were then; must not be older than {@link oldest}
   */
  list(resource: string, version = this.#version): readonly ApiObject[] {
    let objects: ReadonlyMap<string, ApiObject> = this.#objects.get(resource) ?? new Map<string, ApiObject>();
    if (version < this.#version) objects = this.#rewound(resource, objects, version);
    return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  /** Changes after `version`, oldest first. */
  since(version: number): readonly Change[] {
    const first = this.#history.findIndex((change) => change.version > version);
    return first < 0 ? [] : this.#history.slice(first);
  }

  /** @returns stops the calls */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores an object over whatever was there. @returns it with its resourceVersion */
  put(resource: string, object: ApiObject): ApiObject {
    const key = objectKey(object);
    const previous = this.get(resource, key);
    const stored = this.#versioned(object);
    this.#journal.write({ resource, key, text: JSON.stringify(stored) }, this.#version + 1);
    this.#of(resource).set(key, stored);
    this.#tell({
      resource,
      key,
      type: previous ? 'MODIFIED' : 'ADDED',
      object: stored,
      ...(previous && { previous }),
    });
    return stored;
  }

  /** @param last the last state, as watches shall see it */
  remove(resource: string, last: ApiObject): ApiObject {
    const key = objectKey(last);
    const object = this.#versioned(last);
    this.#journal.write({ resource, key, text: undefined }, this.#version + 1);
    const previous = this.get(resource, key) ?? last;
    this.#of(resource).delete(key);
    this.#tell({ resource, key, type: 'DELETED', object, previous });
    return object;
  }

  /** Forgets what changed before now, as etcd's compaction does. */
  compact(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  close(): void {
    this.#listeners.clear();
    this.#journal.close();
  }

  #of(resource: string): Map<string, ApiObject> {
    const found = this.#objects.get(resource);
    if (found) return found;
    const made = new Map<string, ApiObject>();
    this.#objects.set(resource, made);
    return made;
  }

  #versioned(object: ApiObject): ApiObject {
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version + 1) } };
  }

  #tell(change: Omit<Change, 'version'>): void {
    this.#version += 1;
    const numbered = { ...change, version: this.#version };
    this.#history.push(numbered);
    if (this.#history.length > 2 * this.#historyLimit) {
      const forgotten = this.#history.splice(0, this.#history.length - this.#historyLimit);
      this.#oldest = forgotten.at(-1)?.version ?? this.#oldest;
    }
    for (const listener of [...this.#listeners]) listener(numbered);
  }

  #rewound(
    resource: string,
    now: ReadonlyMap<string, ApiObject>,
    version: number,
  ): ReadonlyMap<string, ApiObject> {
    const objects = new Map(now);
    for (const change of this.since(version).toReversed()) {
      if (change.resource !== resource) continue;
      if (change.previous) objects.set(change.key, change.previous);
      else objects.delete(change.key);
    }
    return objects;
  }
}
