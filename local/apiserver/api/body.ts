import type { Http2ServerRequest } from 'node:http2';

import { errorText } from '#base/error-text.ts';

import { APPLY_PATCH } from './change/patch.ts';
import { MAX_BODIES_BYTES, MAX_BODY_BYTES, MAX_PROTOBUF_BYTES } from './limits.ts';
import { PROTOBUF, readProtobuf } from './protobuf/read-protobuf.ts';
import { ApiStatusError, badRequest, unknownFormat } from './api-status-error.ts';
import type { ResourceRequest } from './request.ts';
import { checkShape } from './shape-check.ts';
import { readYaml } from './yaml.ts';

const BODY_TIMEOUT_MS = 30_000;

/** Reads bodies, and holds no more of all of them together than it may. */
export class Bodies {
  #held = 0;

  /** The bytes of a request. @throws ApiStatusError 413, 429 */
  async read(request: Http2ServerRequest): Promise<Buffer> {
    const parts: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => request.destroy(new Error('the body did not come')), BODY_TIMEOUT_MS);
    try {
      for await (const part of request) {
        const { length } = part as Buffer;
        if (size + length > MAX_BODY_BYTES)
          throw new ApiStatusError(
            413,
            'RequestEntityTooLarge',
            `the body is larger than ${MAX_BODY_BYTES} bytes`,
          );
        if (this.#held + length > MAX_BODIES_BYTES)
          throw new ApiStatusError(
            429,
            'TooManyRequests',
            'too many bodies are being sent at one time; try again',
            {
              retryAfterSeconds: 1,
            },
          );
        size += length;
        this.#held += length;
        parts.push(part as Buffer);
      }
    } finally {
      clearTimeout(timer);
      this.#held -= size;
    }
    return Buffer.concat(parts);
  }
}

/**
 * The object in a body.
 *
 * @returns undefined when there is none
 * @throws ApiStatusError 415 for a form that is not taken, 400 for what cannot be read, 413 for what is too much
 */
export function readBody(
  body: Buffer,
  { contentType, method }: Pick<ResourceRequest, 'contentType' | 'method'>,
): unknown {
  if (body.length === 0) return undefined;
  const value = parsed(body, contentType, method);
  checkShape(value);
  return value;
}

function parsed(body: Buffer, contentType: string, method: string): unknown {
  if (contentType === PROTOBUF) {
    // Who changes an object sends fields that the server wrote; whether all of them are described nobody looked.
    if (method !== 'POST' && method !== 'DELETE') throw unknownFormat(`${method} in protobuf`);
    if (body.length > MAX_PROTOBUF_BYTES)
      throw new ApiStatusError(
        413,
        'RequestEntityTooLarge',
        `a body in protobuf may have at most ${MAX_PROTOBUF_BYTES} bytes; send it as JSON`,
      );
    return readProtobuf(body);
  }
  const isYaml = contentType === APPLY_PATCH || contentType === 'application/yaml';
  if (!isYaml && !/^application\/([a-z-]+\+)?json$/.test(contentType)) throw unknownFormat(contentType);
  const text = body.toString('utf8');
  try {
    return isYaml ? readYaml(text) : (JSON.parse(text) as unknown);
  } catch (error) {
    if (error instanceof ApiStatusError) throw error;
    throw badRequest(`the body cannot be read: ${errorText(error).slice(0, 200)}`);
  }
}
