import type { CatalogEntry, CatalogEntrySpec } from '#core/model/catalog-entry.ts';

import type { Change, ObjectCache } from '../../control-loop/cache.ts';

/** The entries that are published, by the namespace of their services; they themselves are all in the mesh's namespace. */
export class PublishedEntries {
  readonly #byNamespace = new Map<string, Map<string, CatalogEntry>>();

  /**
   * Follows a cache.
   *
   * @param onChange told the namespaces whose entries changed
   * @returns ends it
   */
  follow(entries: ObjectCache<CatalogEntry>, onChange: (namespace: string) => void): () => void {
    for (const entry of entries.all()) this.#set({ key: entry.metadata.name, after: entry });
    return entries.subscribe((changes) => {
      for (const namespace of new Set(changes.flatMap((change) => this.#set(change)))) onChange(namespace);
    });
  }

  get namespaces(): Iterable<string> {
    return this.#byNamespace.keys();
  }

  get size(): number {
    let size = 0;
    for (const entries of this.#byNamespace.values()) size += entries.size;
    return size;
  }

  /** By the name of the entry. */
  of(namespace: string): ReadonlyMap<string, CatalogEntry> {
    return this.#byNamespace.get(namespace) ?? new Map<string, CatalogEntry>();
  }

  specs(namespace: string): readonly CatalogEntrySpec[] {
    return [...this.of(namespace).values()].map(({ spec }) => spec).filter((spec) => spec !== undefined);
  }

  #set({ before, after }: Change<CatalogEntry>): readonly string[] {
    return [
      ...this.#take(before, (within, { metadata }) => within.delete(metadata.name)),
      ...this.#take(after, (within, entry) => within.set(entry.metadata.name, entry)),
    ];
  }

  #take(
    entry: CatalogEntry | undefined,
    change: (within: Map<string, CatalogEntry>, entry: CatalogEntry) => void,
  ): readonly string[] {
    const namespace = entry && namespaceOf(entry);
    if (!entry || namespace === undefined) return [];
    const within = this.#byNamespace.get(namespace) ?? new Map<string, CatalogEntry>();
    change(within, entry);
    if (within.size > 0) this.#byNamespace.set(namespace, within);
    else this.#byNamespace.delete(namespace);
    return [namespace];
  }
}

/** By its name: what is written in it may be anybody's. */
function namespaceOf({ metadata: { name } }: CatalogEntry): string | undefined {
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : name.slice(dot + 1);
}
