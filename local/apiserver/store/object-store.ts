import { objectKey } from '#core/resource.ts';

import type { Journal } from './journal.ts';
import type { ApiObject } from './object.ts';
import { weightOf } from './weight.ts';

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

/** How many changes are kept for watches that come back, and pages that are read on. */
const HISTORY = 10_000;
/** Of what the objects in them take of the heap. */
const HISTORY_BYTES = 128 * 1024 * 1024;

/**
 * Every object, in memory, with one resourceVersion for all of them as etcd has it; each change is in the journal before
 * anybody hears of it. What was changed before the process started is forgotten, as after a compaction.
 */
export class ObjectStore {
  readonly #journal: Journal;
  readonly #historyLimit: number;
  readonly #historyBytesLimit: number;
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  /** Of each object, by resource and key. */
  readonly #weights = new Map<string, number>();
  #weight = 0;
  #history: (Change & { readonly weight: number })[] = [];
  #historyBytes = 0;
  #version: number;
  #oldest: number;

  constructor(journal: Journal, historyLimit = HISTORY, historyBytesLimit = HISTORY_BYTES) {
    this.#journal = journal;
    this.#historyLimit = historyLimit;
    this.#historyBytesLimit = historyBytesLimit;
    const { version, entries } = journal.load();
    for (const { resource, key, text } of entries) {
      if (text === undefined) continue;
      const object = JSON.parse(text) as ApiObject;
      this.#of(resource).set(key, object);
      this.#weighed(resource, key, weightOf(object));
    }
    // Zero means "any version" to clients.
    this.#version = Math.max(1, version);
    this.#oldest = this.#version;
  }

  get version(): number {
    return this.#version;
  }

  /** Estimates what all objects together take of the heap, in bytes. */
  get weight(): number {
    return this.#weight;
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
    const weight = weightOf(stored);
    this.#journal.write({ resource, key, text: JSON.stringify(stored) }, this.#version + 1);
    this.#of(resource).set(key, stored);
    this.#weighed(resource, key, weight);
    this.#notify({
      resource,
      key,
      type: previous ? 'MODIFIED' : 'ADDED',
      object: stored,
      weight,
      ...(previous && { previous }),
    });
    return stored;
  }

  /** @param last the last state, as watches must see it */
  remove(resource: string, last: ApiObject): ApiObject {
    const key = objectKey(last);
    const object = this.#versioned(last);
    this.#journal.write({ resource, key, text: undefined }, this.#version + 1);
    const previous = this.get(resource, key) ?? last;
    this.#of(resource).delete(key);
    const weight = this.#weighed(resource, key, 0);
    this.#notify({ resource, key, type: 'DELETED', object, previous, weight });
    return object;
  }

  /** Forgets what changed before now, as etcd's compaction does. */
  compact(): void {
    this.#history = [];
    this.#historyBytes = 0;
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

  /** @returns what it was before */
  #weighed(resource: string, key: string, weight: number): number {
    const id = `${resource} ${key}`;
    const before = this.#weights.get(id) ?? 0;
    this.#weight += weight - before;
    if (weight > 0) this.#weights.set(id, weight);
    else this.#weights.delete(id);
    return before;
  }

  #notify(change: Omit<Change, 'version'> & { readonly weight: number }): void {
    this.#version += 1;
    const numbered = { ...change, version: this.#version };
    this.#history.push(numbered);
    this.#historyBytes += change.weight;
    // Seldom, and much at once: what is left has to be moved each time.
    if (this.#history.length > 2 * this.#historyLimit || this.#historyBytes > 2 * this.#historyBytesLimit)
      this.#drop();
    for (const listener of [...this.#listeners]) listener(numbered);
  }

  #drop(): void {
    let count = 0;
    while (
      this.#history.length - count > this.#historyLimit ||
      this.#historyBytes > this.#historyBytesLimit
    ) {
      this.#historyBytes -= this.#history[count]?.weight ?? 0;
      count += 1;
    }
    const dropped = this.#history.splice(0, count);
    this.#oldest = dropped.at(-1)?.version ?? this.#oldest;
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
