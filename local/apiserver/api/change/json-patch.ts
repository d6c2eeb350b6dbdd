import { isDeepStrictEqual } from 'node:util';

import { isRecord } from '#base/record.ts';

import type { Json } from '../../store/object.ts';
import { MAX_COPIED_BYTES, MAX_DEPTH, MAX_MOVED_ITEMS, MAX_PATCH_OPERATIONS } from '../limits.ts';
import { ApiStatusError } from '../api-status-error.ts';
import { checkShape } from '../shape-check.ts';

/** An operation that does not fit. */
export class PatchFault extends Error {}

/**
 * Applies a JSON patch (RFC 6902), in bounds: so many operations, bytes copied, and items of lists moved aside, and paths only as long
 * as objects are deep. It stops at the first operation that does not fit.
 *
 * @param live is not changed
 * @throws PatchFault for an operation that does not fit, Refusal 413 for what is too much, 400 for a copy of what is nested too deep
 */
export function jsonPatch(live: unknown, operations: readonly Json[]): unknown {
  if (operations.length > MAX_PATCH_OPERATIONS)
    throw tooMuch(`a JSON patch has at most ${MAX_PATCH_OPERATIONS} operations`);
  const patching = new Patching(JSON.parse(JSON.stringify(live)));
  for (const operation of operations) patching.apply(operation);
  return patching.document;
}

class Patching {
  document: unknown;
  #copied = 0;
  #moved = 0;

  constructor(document: unknown) {
    this.document = document;
  }

  apply(operation: Json): void {
    const { op, path } = operation;
    const to = pointer(path, 'path');
    switch (op) {
      case 'add':
        return this.#add(to, valueOf(operation));
      case 'replace':
        this.#get(to);
        return this.#set(to, valueOf(operation));
      case 'remove':
        return void this.#remove(to);
      case 'test':
        if (isDeepStrictEqual(this.#get(to), valueOf(operation))) return;
        throw new PatchFault(`testing value ${JSON.stringify(path)} failed`);
      case 'copy':
        return this.#add(to, this.#copy(pointer(operation['from'], 'from')));
      case 'move':
        return this.#move(pointer(operation['from'], 'from'), to);
      default:
        throw new PatchFault(`unexpected kind of operation: ${JSON.stringify(op)?.slice(0, 100) ?? ''}`);
    }
  }

  #get(path: Pointer): unknown {
    let value = this.document;
    for (const token of path) value = child(value, token, path);
    return value;
  }

  #add(path: Pointer, value: unknown): void {
    const [parent, token] = this.#parent(path);
    if (!Array.isArray(parent)) return this.#set(path, value);
    const index = token === '-' ? parent.length : position(token, path);
    if (index > parent.length) throw missing(path);
    this.#aside(parent.length - index);
    parent.splice(index, 0, value);
  }

  #set(path: Pointer, value: unknown): void {
    if (path.length === 0) {
      this.document = value;
      return;
    }
    const [parent, token] = this.#parent(path);
    if (Array.isArray(parent)) parent[position(token, path)] = value;
    else if (isRecord(parent)) (parent as Record<string, unknown>)[token] = value;
    else throw missing(path);
  }

  #remove(path: Pointer): unknown {
    const value = this.#get(path);
    const [parent, token] = this.#parent(path);
    if (Array.isArray(parent)) {
      const index = position(token, path);
      this.#aside(parent.length - index);
      parent.splice(index, 1);
    } else if (isRecord(parent)) delete (parent as Record<string, unknown>)[token];
    else throw new PatchFault('the whole document cannot be removed');
    return value;
  }

  #copy(from: Pointer): unknown {
    const value = this.#get(from);
    // Moves nest the document deeper than any path is long, and who writes it out calls itself for each level.
    checkShape(value);
    const text = JSON.stringify(value);
    this.#copied += text.length;
    if (this.#copied > MAX_COPIED_BYTES)
      throw new PatchFault(`a JSON patch copies at most ${MAX_COPIED_BYTES} bytes`);
    return JSON.parse(text);
  }

  #move(from: Pointer, to: Pointer): void {
    const isWithin = to.length > from.length && from.every((token, index) => token === to[index]);
    if (isWithin) throw new PatchFault('a value cannot be moved into itself');
    if (from.length === to.length && from.every((token, index) => token === to[index]))
      return void this.#get(from);
    this.#add(to, this.#remove(from));
  }

  /** @returns what holds the last token; undefined for the whole document */
  #parent(path: Pointer): readonly [unknown, string] {
    return path.length === 0 ? [undefined, ''] : [this.#get(path.slice(0, -1)), path.at(-1) ?? ''];
  }

  #aside(items: number): void {
    this.#moved += items;
    if (this.#moved > MAX_MOVED_ITEMS)
      throw tooMuch(`a JSON patch moves at most ${MAX_MOVED_ITEMS} items of lists`);
  }
}

type Pointer = readonly string[];

/** RFC 6901. No field is named `__proto__`: assigning to it would be something else. */
function pointer(text: unknown, field: string): Pointer {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/')))
    throw new PatchFault(`${field} is not a JSON pointer`);
  const tokens = text
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (tokens.length > MAX_DEPTH) throw new PatchFault(`${field} has more than ${MAX_DEPTH} elements`);
  if (tokens.includes('__proto__')) throw new PatchFault('no field can be named __proto__');
  return tokens;
}

function child(value: unknown, token: string, path: Pointer): unknown {
  if (Array.isArray(value)) {
    const index = position(token, path);
    if (index < value.length) return value[index];
  } else if (isRecord(value) && Object.hasOwn(value, token)) return value[token];
  throw missing(path);
}

function position(token: string, path: Pointer): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw missing(path);
  return Number(token);
}

function valueOf(operation: Json): unknown {
  if (!Object.hasOwn(operation, 'value')) throw new PatchFault('an operation has no value');
  return operation['value'];
}

function missing(path: Pointer): PatchFault {
  return new PatchFault(`there is nothing at ${JSON.stringify(`/${path.join('/')}`.slice(0, 200))}`);
}

function tooMuch(message: string): ApiStatusError {
  return new ApiStatusError(413, 'RequestEntityTooLarge', message);
}
