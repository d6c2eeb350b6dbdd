/** JSON Patch (RFC 6902), typed. */

export type JsonPatchOp =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

export type PathPart = string | number;

/** A JSON pointer (RFC 6901): `~` and `/` inside a part are escaped. */
export function jsonPointer(parts: readonly PathPart[]): string {
  return parts.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/**
 * Gathers operations against one document. It keeps track of the objects and lists it had to create, so that callers name
 * only what they want to be there; it does not apply anything.
 */
export class PatchBuilder {
  readonly #document: unknown;
  readonly #operations: JsonPatchOp[] = [];
  readonly #created = new Set<string>();

  constructor(document: unknown) {
    this.#document = document;
  }

  get operations(): readonly JsonPatchOp[] {
    return this.#operations;
  }

  /** Sets a member of an object, creating objects on the way; nothing when it has this very value. */
  set(path: readonly PathPart[], value: unknown): void {
    const existing = this.#at(path);
    if (isPresent(existing) && JSON.stringify(existing) === JSON.stringify(value)) return;
    this.#createParents(path);
    this.#operations.push({ op: existing === undefined ? 'add' : 'replace', path: jsonPointer(path), value });
  }

  /** Takes a member out of an object; nothing when it is not there. */
  remove(path: readonly PathPart[]): void {
    if (this.#at(path) !== undefined) this.#operations.push({ op: 'remove', path: jsonPointer(path) });
  }

  /** Asserts the value at a place: the patch fails as a whole when the document is not the one it was made for. */
  test(path: readonly PathPart[], value: unknown): void {
    this.#operations.push({ op: 'test', path: jsonPointer(path), value });
  }

  /**
   * Puts items into a list, at its begin or its end; a list that is absent or null is created.
   * Positions of what was in the list move: operations on its items come before this one.
   */
  insert(path: readonly PathPart[], items: readonly unknown[], where: 'first' | 'last'): void {
    if (items.length === 0) return;
    const existing = this.#at(path);
    if (!Array.isArray(existing) || existing.length === 0) {
      this.set(path, items);
      return;
    }
    items.forEach((value, index) => {
      this.#operations.push({
        op: 'add',
        path: jsonPointer([...path, where === 'first' ? index : '-']),
        value,
      });
    });
  }

  #createParents(path: readonly PathPart[]): void {
    for (let length = 1; length < path.length; length++) {
      const parent = path.slice(0, length);
      const pointer = jsonPointer(parent);
      if (isPresent(this.#at(parent)) || this.#created.has(pointer)) continue;
      this.#created.add(pointer);
      this.#operations.push({ op: 'add', path: pointer, value: {} });
    }
  }

  #at(path: readonly PathPart[]): unknown {
    return path.reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, part)
          ? (value as Record<PathPart, unknown>)[part]
          : undefined,
      this.#document,
    );
  }
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
