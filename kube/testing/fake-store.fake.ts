import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import type { KubeObject, ObjectMeta } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import { applyPatch } from './fake-patch.fake.ts';
import { mergePatch } from '../merge-patch.ts';

/** A refusal the fake server answers with. */
export class Refused extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** A change as watches deliver it. */
export interface StoredEvent {
  readonly version: number;
  readonly resource: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  readonly previous?: KubeObject;
}

type Meta = ObjectMeta & { readonly generateName?: string };

/** The objects of the fake server, with one resourceVersion for all, as etcd has it. `resource` is `group/plural`. */
export class FakeStore {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  /** What each field manager applied last, by `resource key manager subresource`. */
  readonly #applied = new Map<string, unknown>();
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  #history: StoredEvent[] = [];
  #version = 100;
  #oldest = 0;

  get version(): number {
    return this.#version;
  }

  /** The oldest resourceVersion a watch may start from. */
  get oldest(): number {
    return this.#oldest;
  }

  onEvent(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  since(version: number): readonly StoredEvent[] {
    return this.#history.filter((event) => event.version > version);
  }

  /** Forgets history, so that every resourceVersion up to now is too old. */
  compact(): void {
    this.#oldest = ++this.#version;
    this.#history = [];
  }

  /** All objects of a resource, sorted by key. */
  all(resource: string): readonly KubeObject[] {
    return [...(this.#objects.get(resource) ?? [])]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  find(resource: string, key: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(key);
  }

  get(resource: string, key: string): KubeObject {
    const object = this.find(resource, key);
    if (!object) throw new Refused(404, 'NotFound', `${resource} "${key}" not found`);
    return object;
  }

  /** Stores an object as it is, status included, over whatever was there. */
  put(resource: string, object: KubeObject): KubeObject {
    const before = this.find(resource, objectKey(object));
    const metadata = {
      ...born(object),
      ...(before ? { uid: before.metadata.uid } : {}),
      ...defined(object.metadata),
    };
    const generation = object.metadata.generation ?? nextGeneration(before, object);
    return this.#save(resource, before, {
      ...object,
      metadata: { ...metadata, ...(generation ? { generation } : {}) },
    });
  }

  create(resource: string, wanted: KubeObject): KubeObject {
    const object = without(wanted, 'status');
    const meta = object.metadata as Meta;
    const name = meta.name || (meta.generateName ? `${meta.generateName}${randomUUID().slice(0, 5)}` : '');
    if (!name)
      throw new Refused(422, 'Invalid', 'metadata.name: Required value: name or generateName is required');
    const named = { ...object, metadata: { ...object.metadata, name } };
    if (this.find(resource, objectKey(named))) {
      throw new Refused(409, 'AlreadyExists', `${resource} "${name}" already exists`);
    }
    const metadata = { ...born(named), ...named.metadata, ...('spec' in object ? { generation: 1 } : {}) };
    return this.#save(resource, undefined, { ...named, metadata });
  }

  update(resource: string, key: string, object: KubeObject, subresource?: string): KubeObject {
    const before = this.get(resource, key);
    const wanted = object.metadata.resourceVersion;
    if (wanted && wanted !== before.metadata.resourceVersion) {
      throw new Refused(
        409,
        'Conflict',
        `Operation cannot be fulfilled on ${resource} "${key}": the object has been modified`,
      );
    }
    if (object.metadata.uid && object.metadata.uid !== before.metadata.uid) {
      throw new Refused(409, 'Conflict', `Precondition failed: UID in precondition: ${object.metadata.uid}`);
    }
    if (subresource === 'status') return this.#save(resource, before, { ...before, status: object.status });
    const { name, namespace, uid, creationTimestamp, deletionTimestamp } = before.metadata;
    const generation = nextGeneration(before, object);
    const kept = defined({ name, namespace, uid, creationTimestamp, deletionTimestamp, generation });
    const status = before.status === undefined ? {} : { status: before.status };
    const after = {
      ...without(object, 'status'),
      ...status,
      metadata: { ...object.metadata, ...kept } as Meta,
    };
    const done = deletionTimestamp && (after.metadata.finalizers ?? []).length === 0;
    return done ? this.#drop(resource, before) : this.#save(resource, before, after);
  }

  mergePatch(resource: string, key: string, patch: unknown, subresource?: string): KubeObject {
    const before = this.get(resource, key);
    return this.update(resource, key, mergePatch(withoutVersion(before), patch) as KubeObject, subresource);
  }

  apply(
    resource: string,
    key: string,
    applied: KubeObject,
    manager: string,
    subresource?: string,
  ): KubeObject {
    const before = this.find(resource, key);
    const slot = `${resource} ${key} ${manager} ${subresource ?? ''}`;
    const earlier = this.#applied.get(slot);
    this.#applied.set(slot, applied);
    if (!before) return this.create(resource, applied);
    return this.update(
      resource,
      key,
      applyPatch(withoutVersion(before), applied, earlier) as KubeObject,
      subresource,
    );
  }

  remove(resource: string, key: string): KubeObject {
    const before = this.get(resource, key);
    if ((before.metadata.finalizers ?? []).length === 0) return this.#drop(resource, before);
    if (before.metadata.deletionTimestamp) return before;
    const metadata = { ...before.metadata, deletionTimestamp: new Date().toISOString() };
    return this.#save(resource, before, { ...before, metadata });
  }

  #drop(resource: string, before: KubeObject): KubeObject {
    this.#objects.get(resource)?.delete(objectKey(before));
    return this.#emit('DELETED', resource, before, before);
  }

  #save(resource: string, before: KubeObject | undefined, after: KubeObject): KubeObject {
    if (before && isDeepStrictEqual(withoutVersion(before), withoutVersion(after))) return before;
    return this.#emit(before ? 'MODIFIED' : 'ADDED', resource, after, before);
  }

  #emit(type: StoredEvent['type'], resource: string, object: KubeObject, previous?: KubeObject): KubeObject {
    const version = ++this.#version;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    if (type !== 'DELETED') {
      const objects = this.#objects.get(resource) ?? new Map<string, KubeObject>();
      this.#objects.set(resource, objects.set(objectKey(stored), stored));
    }
    const event: StoredEvent = { version, resource, type, object: stored, ...(previous ? { previous } : {}) };
    this.#history.push(event);
    for (const listener of this.#listeners) listener(event);
    return stored;
  }
}

function born(object: KubeObject): ObjectMeta {
  return { name: object.metadata.name, uid: randomUUID(), creationTimestamp: new Date().toISOString() };
}

/** Generations count changes of what is wanted: everything but metadata and status. */
function nextGeneration(before: KubeObject | undefined, after: KubeObject): number | undefined {
  if (!('spec' in after)) return before?.metadata.generation;
  if (!before) return 1;
  const wanted = (object: KubeObject): object => without(without(object, 'metadata'), 'status');
  return (before.metadata.generation ?? 1) + (isDeepStrictEqual(wanted(before), wanted(after)) ? 0 : 1);
}

function withoutVersion(object: KubeObject): KubeObject {
  return { ...object, metadata: without(object.metadata, 'resourceVersion') };
}

/** The object with one field left out. */
export function without<T extends object, Key extends keyof T>(object: T, key: Key): Omit<T, Key> {
  const copy: Partial<T> = { ...object };
  delete copy[key];
  return copy as Omit<T, Key>;
}

function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
