import * as z from 'zod';

/** An object of ours as it comes for validation: identified, with nothing in its spec trusted yet. */
const strings = z.record(z.string(), z.string());

const objectSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    generation: z.number().optional(),
    deletionTimestamp: z.string().optional(),
    labels: strings.optional(),
    annotations: strings.optional(),
  }),
  spec: z.unknown(),
});

export interface UncheckedObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: unknown;
}

/** Reads an object; undefined when it is none. `namespace` is the request's, for an object that does not repeat it. */
export function readObject(value: unknown, namespace: string | undefined): UncheckedObject | undefined {
  const parsed = objectSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const { name, uid, generation, deletionTimestamp } = parsed.data.metadata;
  const home = parsed.data.metadata.namespace ?? namespace;
  return {
    metadata: {
      name,
      ...(home === undefined ? {} : { namespace: home }),
      ...(uid === undefined ? {} : { uid }),
      ...(generation === undefined ? {} : { generation }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: parsed.data.spec,
  };
}
