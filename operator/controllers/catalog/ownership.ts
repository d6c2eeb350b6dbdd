import type { Service } from '#kube/types.ts';

/** What is known of a Kubernetes Service when its meaning is decided. Names are those of mesh services of its namespace. */
export interface ServiceSituation {
  readonly service: Service;
  /** Mesh services with a pod behind it that the kubelet has given an address and that may hold the identity it names. */
  readonly running: ReadonlySet<string>;
  /** Those of them with a pod that is ready. */
  readonly ready: ReadonlySet<string>;
  /** The mesh service that it stood for until now, by what is published; undefined when it stood for none, or that one is gone. */
  readonly owner: string | undefined;
  /** Those among which it was ambiguous until now, and which are still there. */
  readonly claimants: readonly string[];
  /** Whether it was the mesh's in any way until now. */
  readonly known: boolean;
  /** Whether a user wrote the MeshService of the Service's own name, which pins the Service to it. */
  readonly pinned: boolean;
  /** Whether it leads to ready endpoints that are no pods of the mesh. Asked only about one that is not known yet. */
  readonly hasForeignEndpoints: () => boolean;
}

/** What a Kubernetes Service means to callers. */
export type Meaning =
  /** It stands for this mesh service. */
  | { readonly kind: 'owned'; readonly by: string }
  /** It stands for several, so for none; connections to it are refused. */
  | { readonly kind: 'ambiguous'; readonly among: readonly string[] }
  /** It is not of the mesh. `waiting` are mesh services with pods behind it, beside endpoints outside of the mesh. */
  | { readonly kind: 'outside'; readonly waiting: readonly string[] };

/**
 * What a Kubernetes Service means. Pure. Three rules:
 *
 * - One that is or was the mesh's never becomes the outside by what a pod does or says: the bytes of its callers would leave in
 *   the clear. It keeps its owner while that has pods, or while nobody else is ready in its place.
 * - A pod that is not ready changes the meaning of no Service that anybody uses.
 * - One that serves pods outside of the mesh becomes the mesh's when its endpoints have moved there, or when its namespace says so
 *   by a MeshService of its name.
 */
export function meaningOf(situation: ServiceSituation): Meaning {
  const { service, running, ready, owner, claimants, known, pinned } = situation;
  const { name } = service.metadata;
  if (pinned) return owned(name);
  if (owner !== undefined) {
    const others = [...ready].filter((one) => one !== owner);
    return running.has(owner) || others.length === 0 ? owned(owner) : oneOf(others, name);
  }
  const candidates = [...(ready.size > 0 ? ready : running)];
  if (candidates.length === 0) {
    return claimants.length > 0 ? oneOf(claimants, name) : { kind: 'outside', waiting: [] };
  }
  if (!known && situation.hasForeignEndpoints()) return { kind: 'outside', waiting: [...running].sort() };
  return oneOf(candidates, name);
}

function owned(by: string): Meaning {
  return { kind: 'owned', by };
}

/** The only one; else the one of the Service's own name; else nobody can say. */
function oneOf(names: readonly string[], serviceName: string): Meaning {
  const [first] = names;
  if (names.length === 1 && first !== undefined) return owned(first);
  return names.includes(serviceName) ? owned(serviceName) : { kind: 'ambiguous', among: [...names].sort() };
}
