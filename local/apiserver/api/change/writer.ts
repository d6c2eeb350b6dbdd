import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import type { Clock } from '#base/clock.ts';

import { objectKey } from '#core/resource.ts';
import { rfc3339 } from '#base/times.ts';

import type { ObjectStore } from '../../store/object-store.ts';
import type { ApiMeta, ApiObject } from '../../store/object.ts';
import { without } from '../../store/object.ts';
import type { User } from '../access/user.ts';
import type { ResourceKind } from '../kind.ts';
import { resourceId } from '../kind.ts';
import {
  ApiStatusError,
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  listed,
  notFound,
} from '../api-status-error.ts';
import { admitted } from './admission.ts';
import type { Admission } from './admission.ts';
import { applied } from './apply.ts';
import { builtInDefaults } from './built-in-defaults.ts';
import { trackedUpdate } from './managed-fields.ts';
import { metadataFaults, readObject } from './metadata-check.ts';
import { patched } from './patch.ts';
import { SchemaCheck } from './schema-check.ts';
import { comparable, desired, merged, named, part, placed, present, withoutStatus } from './shape.ts';
import { checkSize } from './size-check.ts';
import { defaulted, pruned } from './structure.ts';

export interface WriterDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly admissions: readonly Admission[];
}

/** Which object is meant. */
export interface Place {
  readonly kind: ResourceKind;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** How a write is to be done. */
export interface WriteOptions {
  readonly user: User;
  readonly fieldManager: string;
  readonly dryRun: boolean;
  readonly subresource: string | undefined;
  /** What becomes of fields the schema does not know. */
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
  /** Gets what the caller should be told. */
  readonly warnings: string[];
  /** Refuses by throwing what the caller may not give away. */
  readonly granted: (object: ApiObject) => void;
}

export interface DeleteOptions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly dryRun: boolean;
}

export interface Written {
  readonly object: ApiObject;
  readonly created: boolean;
}

/** Another write came in between, while admission was asked; the write is done again on what is there now. */
class Overtaken extends Error {}

/** How often a write is done again, as in Kubernetes. */
const ATTEMPTS = 5;

/** The way of a write: read, pruned, defaulted, admitted, checked, kept. */
export class Writer {
  readonly #deps: WriterDeps;
  readonly #schemas = new SchemaCheck();

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  /** @throws ApiStatusError */
  create(
    kind: ResourceKind,
    namespace: string | undefined,
    body: unknown,
    options: WriteOptions,
  ): Promise<ApiObject> {
    return this.#again(options, () => {
      const wanted = named(placed(readObject(body, kind), kind, namespace), kind);
      if (wanted.metadata.resourceVersion)
        throw badRequest('resourceVersion should not be set on objects to be created');
      const born = this.#read(this.#born(kind, wanted), kind, options);
      return this.#finish(
        kind,
        undefined,
        trackedUpdate(kind, undefined, born, this.#manager(options)),
        options,
      );
    });
  }

  /** @throws ApiStatusError */
  update(place: Place, body: unknown, options: WriteOptions): Promise<ApiObject> {
    return this.#again(options, () => {
      const before = this.get(place);
      const wanted = placed(readObject(body, place.kind), place.kind, place.namespace);
      if (wanted.metadata.name !== place.name) throw misnamed(wanted, place.name);
      return this.#change(place, before, wanted, options);
    });
  }

  /** A patch that is not an apply. @throws ApiStatusError */
  patch(place: Place, contentType: string, body: unknown, options: WriteOptions): Promise<ApiObject> {
    return this.#again(options, () => {
      const before = this.get(place);
      const after = patched(place.kind, before, contentType, body);
      const wanted = placed(readObject(after, place.kind), place.kind, place.namespace);
      if (wanted.metadata.name !== place.name)
        throw this.#immutable(place, 'metadata.name', wanted.metadata.name);
      return this.#change(place, before, wanted, options);
    });
  }

  /** Server-side apply. @throws ApiStatusError */
  apply(place: Place, body: unknown, options: WriteOptions & { readonly force: boolean }): Promise<Written> {
    return this.#again(options, () => this.#apply(place, body, options));
  }

  async #apply(
    place: Place,
    body: unknown,
    options: WriteOptions & { readonly force: boolean },
  ): Promise<Written> {
    const { kind, namespace, name } = place;
    const given = readObject(body, kind);
    if (given.metadata.managedFields?.length) throw badRequest('metadata.managedFields must be nil');
    const wanted = placed(
      { ...given, metadata: { ...given.metadata, name: given.metadata.name ?? name } },
      kind,
      namespace,
    );
    if (wanted.metadata.name !== name) throw misnamed(wanted, name);
    const before = this.#deps.store.get(resourceId(kind), keyOf(place));
    if (!before && options.subresource) throw notFound(kind, name);
    if (!before && wanted.metadata.uid) throw conflict(kind, name, 'uid mismatch: the object is not there');
    const configuration = part(kind, this.#known(wanted, kind, options), options.subresource);
    const manager = { ...this.#manager(options), operation: 'Apply' as const };
    const object = applied(kind, before, configuration, manager, options.force);
    if (!before)
      return {
        object: await this.#finish(kind, undefined, filled(kind, this.#born(kind, object)), options),
        created: true,
      };
    return { object: await this.#save(place, before, filled(kind, object), options), created: false };
  }

  /** @throws ApiStatusError. @returns the object as it was left, and whether it is gone */
  delete(place: Place, options: DeleteOptions): { readonly object: ApiObject; readonly gone: boolean } {
    const { kind, name } = place;
    const before = this.get(place);
    const { uid, resourceVersion } = before.metadata;
    const differs = (what: string, wanted: string, is: string | undefined): ApiStatusError =>
      conflict(
        kind,
        name,
        `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${is ?? ''}`,
      );
    if (options.uid !== undefined && options.uid !== uid) throw differs('UID', options.uid, uid);
    if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion)
      throw differs('ResourceVersion', options.resourceVersion, resourceVersion);
    const held =
      (before.metadata.finalizers ?? []).length > 0 || (kind.kind === 'Namespace' && kind.group === '');
    if (options.dryRun) return { object: before, gone: !held };
    if (!held) return { object: this.#deps.store.remove(resourceId(kind), before), gone: true };
    if (before.metadata.deletionTimestamp) return { object: before, gone: false };
    const metadata = { ...before.metadata, deletionTimestamp: this.#now(), deletionGracePeriodSeconds: 0 };
    const status = kind.kind === 'Namespace' ? { status: { phase: 'Terminating' } } : {};
    return {
      object: this.#deps.store.put(resourceId(kind), { ...before, ...status, metadata }),
      gone: false,
    };
  }

  /** @throws ApiStatusError 404 */
  get(place: Place): ApiObject {
    const found = this.#deps.store.get(resourceId(place.kind), keyOf(place));
    if (!found) throw notFound(place.kind, place.name);
    return found;
  }

  async #again<T>({ warnings }: WriteOptions, write: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      warnings.length = 0;
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        if (attempt === ATTEMPTS)
          throw new ApiStatusError(
            409,
            'Conflict',
            'the object is being written by others all the time; try again',
          );
      }
    }
  }

  #now(): string {
    return rfc3339(this.#deps.clock.now());
  }

  #manager({ fieldManager: name, subresource }: WriteOptions) {
    return { name, subresource, operation: 'Update' as const, time: this.#now() };
  }

  #born(kind: ResourceKind, object: ApiObject): ApiObject {
    const metadata: ApiMeta = {
      ...without(object.metadata, 'deletionTimestamp', 'resourceVersion'),
      uid: randomUUID(),
      creationTimestamp: this.#now(),
      ...(kind.counted ? { generation: 1 } : {}),
    };
    const born = { ...object, metadata };
    return kind.hasStatus ? withoutStatus(born) : born;
  }

  #read(object: ApiObject, kind: ResourceKind, options: WriteOptions): ApiObject {
    return filled(kind, this.#known(object, kind, options));
  }

  /** The object without fields that its schema does not know. */
  #known(object: ApiObject, kind: ResourceKind, options: WriteOptions): ApiObject {
    if (!kind.schema) return object;
    const unknown: string[] = [];
    const known = pruned(object, kind.schema, unknown);
    if (unknown.length > 0 && options.fieldValidation === 'Strict') {
      const list = listed(unknown.map((field) => `unknown field "${field}"`)).join(', ');
      throw badRequest(
        `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${list}`,
      );
    }
    if (options.fieldValidation === 'Warn')
      options.warnings.push(...listed(unknown.map((field) => `unknown field "${field}"`)));
    return known as ApiObject;
  }

  #change(place: Place, before: ApiObject, wanted: ApiObject, options: WriteOptions): Promise<ApiObject> {
    const read = this.#read(wanted, place.kind, options);
    const after = merged(place.kind, before, read, options.subresource);
    return this.#save(
      place,
      before,
      trackedUpdate(place.kind, before, after, this.#manager(options)),
      options,
    );
  }

  #save(place: Place, before: ApiObject, after: ApiObject, options: WriteOptions): Promise<ApiObject> {
    const { kind, name } = place;
    const {
      uid,
      creationTimestamp,
      deletionTimestamp,
      deletionGracePeriodSeconds,
      resourceVersion,
      generation,
    } = before.metadata;
    const wanted = after.metadata;
    if (wanted.resourceVersion && wanted.resourceVersion !== resourceVersion) {
      throw conflict(
        kind,
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      );
    }
    if (wanted.uid && wanted.uid !== uid)
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid ?? ''}`,
      );
    const kept = { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation };
    const metadata = present({ ...without(wanted, 'resourceVersion'), ...kept }) as unknown as ApiMeta;
    const next = { ...after, metadata };
    const counted =
      kind.counted && !isDeepStrictEqual(desired(before), desired(next))
        ? { generation: (generation ?? 0) + 1 }
        : {};
    return this.#finish(kind, before, { ...next, metadata: { ...metadata, ...counted } }, options);
  }

  /** Asks admission, checks, and keeps. */
  async #finish(
    kind: ResourceKind,
    before: ApiObject | undefined,
    wanted: ApiObject,
    options: WriteOptions,
  ): Promise<ApiObject> {
    const { store } = this.#deps;
    if (!before) this.#checkPlace(kind, wanted);
    const object = await this.#admitted(true, kind, before, wanted, options);
    const faults = [
      ...metadataFaults(kind, object),
      ...(kind.schema ? this.#schemas.faults(object, kind.schema) : []),
    ];
    if (faults.length > 0) throw invalid(kind, object.metadata.name, faults);
    checkSize(object, before, store);
    options.granted(object);
    await this.#admitted(false, kind, before, object, options);
    if (store.get(resourceId(kind), objectKey(object)) !== before) throw new Overtaken();
    if (before && isDeepStrictEqual(comparable(before), comparable(object))) return before;
    if (options.dryRun)
      return {
        ...object,
        metadata: {
          ...object.metadata,
          ...(before?.metadata.resourceVersion ? { resourceVersion: before.metadata.resourceVersion } : {}),
        },
      };
    const released = before?.metadata.deletionTimestamp && (object.metadata.finalizers ?? []).length === 0;
    if (released && kind.kind !== 'Namespace') return store.remove(resourceId(kind), object);
    return store.put(resourceId(kind), object);
  }

  #checkPlace(kind: ResourceKind, { metadata }: ApiObject): void {
    const { name, namespace } = metadata;
    if (this.#deps.store.get(resourceId(kind), objectKey({ metadata }))) throw alreadyExists(kind, name);
    if (namespace === undefined) return;
    const home = this.#deps.store.get('/namespaces', namespace);
    if (!home)
      throw new ApiStatusError(404, 'NotFound', `namespaces "${namespace}" not found`, {
        name: namespace,
        kind: 'namespaces',
      });
    if (home.metadata.deletionTimestamp)
      throw forbidden(
        kind,
        name,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      );
  }

  /** Asks the admissions that may change the object, or those that may not. */
  #admitted(
    changes: boolean,
    kind: ResourceKind,
    before: ApiObject | undefined,
    object: ApiObject,
    { user, dryRun, subresource, warnings }: WriteOptions,
  ): Promise<ApiObject> {
    const asked = this.#deps.admissions.filter((one) => one.changes === changes);
    const operation = before ? 'UPDATE' : 'CREATE';
    return admitted(
      asked,
      { kind, operation, subresource, object, previous: before, user, dryRun },
      warnings,
    );
  }

  #immutable({ kind, name }: Place, field: string, value: string): ApiStatusError {
    return invalid(kind, name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${JSON.stringify(value)}: field is immutable`,
        field,
      },
    ]);
  }
}

function misnamed({ metadata }: ApiObject, name: string): ApiStatusError {
  return badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
}

/** The object with what the server fills in. */
function filled(kind: ResourceKind, object: ApiObject): ApiObject {
  return kind.schema ? (defaulted(object, kind.schema) as ApiObject) : builtInDefaults(kind, object);
}

function keyOf({ namespace, name }: Pick<Place, 'namespace' | 'name'>): string {
  return namespace ? `${namespace}/${name}` : name;
}
