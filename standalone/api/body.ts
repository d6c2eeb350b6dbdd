import type { Http2ServerRequest } from 'node:http2';

import { parse as parseYaml } from 'yaml';

import { APPLY_PATCH } from './change/patch.ts';
import { PROTOBUF, readProtobuf } from './protobuf/read-protobuf.ts';
import { Refusal, badRequest, unknownFormat } from './refusal.ts';
import type { ResourceRequest } from './request.ts';

/** Kubernetes takes objects of 1.5 MB, and requests of twice that. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
const BODY_TIMEOUT_MS = 30_000;

/** The bytes of a request. @throws Refusal 413 */
export async function bodyOf(request: Http2ServerRequest): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => request.destroy(new Error('the body did not come')), BODY_TIMEOUT_MS);
  try {
    for await (const part of request) {
      size += (part as Buffer).length;
      if (size > MAX_BODY_BYTES)
        throw new Refusal(413, 'RequestEntityTooLarge', `the body is larger than ${MAX_BODY_BYTES} bytes`);
      parts.push(part as Buffer);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts);
}

/**
 * The object in a body.
 *
 * @returns undefined when there is none
 * @throws Refusal 415 for a form that is not taken, 400 for what cannot be read
 */
export function readBody(
  body: Buffer,
  { contentType, method }: Pick<ResourceRequest, 'contentType' | 'method'>,
): unknown {
  if (body.length === 0) return undefined;
  const value = parsed(body, contentType, method);
  checkDepth(value, 0);
  return value;
}

function parsed(body: Buffer, contentType: string, method: string): unknown {
  if (contentType === PROTOBUF) {
    // Who changes an object sends fields that the server wrote; whether all of them are described nobody looked.
    if (method !== 'POST' && method !== 'DELETE') throw unknownFormat(`${method} in protobuf`);
    return readProtobuf(body);
  }
  const isYaml = contentType === APPLY_PATCH || contentType === 'application/yaml';
  if (!isYaml && !/^application\/([a-z-]+\+)?json$/.test(contentType)) throw unknownFormat(contentType);
  const text = body.toString('utf8');
  try {
    return isYaml ? (parseYaml(text, { maxAliasCount: 20 }) as unknown) : (JSON.parse(text) as unknown);
  } catch (error) {
    throw badRequest(`the body cannot be read: ${error instanceof Error ? error.message.slice(0, 200) : ''}`);
  }
}

const MAX_DEPTH = 100;

/** Nothing we keep is nested so deep; a field `__proto__` would be no field. */
function checkDepth(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) throw badRequest(`the body is nested deeper than ${MAX_DEPTH} levels`);
  if (Object.hasOwn(value, '__proto__')) throw badRequest('no field can be named __proto__');
  for (const inner of Object.values(value)) checkDepth(inner, depth + 1);
}
