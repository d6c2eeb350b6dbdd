/** An object in its journal. */
export interface Entry {
  /** `group/plural`. */
  readonly resource: string;
  /** `namespace/name`, or the name alone. */
  readonly key: string;
  /** JSON; undefined when the object is deleted. */
  readonly text: string | undefined;
}

/** Where objects outlive the process. A write has happened for good when the call returns. */
export interface Journal {
  /** What is there at the start. @returns the newest resourceVersion given away, and every object */
  load(): { readonly version: number; readonly entries: readonly Entry[] };
  write(entry: Entry, version: number): void;
  close(): void;
}

/** Nothing outlives the process. */
export const noJournal: Journal = {
  load: () => ({ version: 0, entries: [] }),
  write: () => undefined,
  close: () => undefined,
};
