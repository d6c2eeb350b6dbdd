import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import { objectKey } from '#core/resource.ts';
import type { Clock } from '#base/clock.ts';
import { rfc3339 } from '#base/times.ts';

import { MASTERS } from '../../apiserver/api/access/user.ts';
import type { WriteOptions, Writer } from '../../apiserver/api/change/writer.ts';
import type { Kinds } from '../../apiserver/api/kinds.ts';
import type { ObjectStore } from '../../apiserver/store/object-store.ts';
import type { ApiObject } from '../../apiserver/store/object.ts';

const DEFINITIONS = 'apiextensions.k8s.io/customresourcedefinitions';

/** How the server itself writes. */
export const AS_SERVER: WriteOptions = {
  user: { username: 'system:apiserver', groups: [MASTERS] },
  fieldManager: 'mesh-dev',
  subresource: undefined,
  fieldValidation: 'Strict',
  dryRun: false,
  warnings: [],
  granted: () => undefined,
};

/** Makes what must be there, and the definitions of the kinds as they are in this version. */
export async function seed(
  {
    store,
    kinds,
    writer,
    clock,
  }: { readonly store: ObjectStore; readonly kinds: Kinds; readonly writer: Writer; readonly clock: Clock },
  objects: readonly ApiObject[],
  definitions: readonly ApiObject[],
): Promise<void> {
  for (const definition of definitions) keepDefinition(store, clock, definition);
  for (const object of objects) {
    const kind = kinds.all.find((one) => one.kind === object.kind);
    if (!kind) throw new Error(`${object.kind} is not a kind of this server`);
    const { name, namespace } = object.metadata;
    await writer.apply({ kind, namespace, name }, object, { ...AS_SERVER, force: true });
  }
}

function keepDefinition(store: ObjectStore, clock: Clock, definition: ApiObject): void {
  const now = rfc3339(clock.now());
  const before = store.get(DEFINITIONS, objectKey(definition));
  if (before && isDeepStrictEqual(before.spec, definition.spec)) return;
  const conditions = ['NamesAccepted', 'Established'].map((type) => ({
    type,
    status: 'True',
    reason: 'InThisVersion',
    message: 'part of this version of mesh',
    lastTransitionTime: now,
  }));
  store.put(DEFINITIONS, {
    ...definition,
    metadata: {
      ...definition.metadata,
      uid: before?.metadata.uid ?? randomUUID(),
      generation: 1,
      creationTimestamp: now,
    },
    status: {
      conditions,
      acceptedNames: (definition.spec as { names: object }).names,
      storedVersions: ['v1alpha1'],
    },
  });
}
