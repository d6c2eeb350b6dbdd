import type { Reach } from './decide.ts';

/** A mesh service whose reach is another than before. */
export interface ReachChange {
  readonly service: string;
  readonly before: Reach;
  readonly after: Reach;
}

const NONE: Reach = { kind: 'none' };

/** How mesh services are reached, as last decided: what the catalog's controller finds, for the statuses that others write. */
export class Reaches {
  readonly #byNamespace = new Map<string, ReadonlyMap<string, Reach>>();
  readonly #listeners = new Set<(namespace: string, services: readonly string[] | 'all') => void>();

  /** Undefined before the namespace was looked at for the first time. */
  get(namespace: string, service: string): Reach | undefined {
    const reaches = this.#byNamespace.get(namespace);
    return reaches && (reaches.get(service) ?? NONE);
  }

  /** How many services of the mesh are of a kind. */
  count(kind: Reach['kind']): number {
    let count = 0;
    for (const reaches of this.#byNamespace.values())
      for (const reach of reaches.values()) if (reach.kind === kind) count += 1;
    return count;
  }

  set(namespace: string, reaches: ReadonlyMap<string, Reach>): readonly ReachChange[] {
    const known = this.#byNamespace.get(namespace);
    this.#byNamespace.set(namespace, reaches);
    const services = new Set([...(known?.keys() ?? []), ...reaches.keys()]);
    const changes = [...services]
      .map((service) => ({
        service,
        before: known?.get(service) ?? NONE,
        after: reaches.get(service) ?? NONE,
      }))
      .filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after));
    if (!known || changes.length > 0)
      for (const listener of this.#listeners)
        listener(namespace, known ? changes.map(({ service }) => service) : 'all');
    return changes;
  }

  /** Calls `listener` with the services of a namespace whose reach changed; with `all` when it was looked at for the first time. */
  onChange(listener: (namespace: string, services: readonly string[] | 'all') => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
