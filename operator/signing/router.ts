import type { IncomingMessage } from 'node:http';

import { Router } from 'express';

import type { Refusal } from './refusal.ts';
import { MAX_BODY_BYTES } from './request.ts';
import type { SigningService } from './signing-service.ts';

/** A body that is too long is still taken in up to here, unread, so that its sender hears why it is refused. */
const MAX_DISCARDED_BYTES = 4 * 1024 * 1024;

/** `POST /v1/sign`. The server it is mounted on sets the time a request may take. */
export function signingRouter(service: Pick<SigningService, 'sign'>): Router {
  const router = Router();
  router.post('/v1/sign', async (request, response) => {
    const { status, headers, body } = await service.sign({
      sourceAddress: request.socket.remoteAddress ?? '',
      authorization: request.headers.authorization,
      body: () => takeBody(request),
    });
    // What was not read must not be taken for the next request.
    if (!request.complete) response.set('Connection', 'close');
    response
      .status(status)
      .set({ ...headers, 'Cache-Control': 'no-store' })
      .json(body);
  });
  return router;
}

/** The body, or why it is not taken. Never holds more than the limit. */
function takeBody(request: IncomingMessage): Promise<Uint8Array | Refusal> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const tooLarge = (): void =>
      resolve({ reason: 'body-too-large', message: `the body has more than ${MAX_BODY_BYTES} bytes` });
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_BODY_BYTES) chunks.push(chunk);
      else chunks.length = 0;
      if (length > MAX_DISCARDED_BYTES) {
        request.pause();
        tooLarge();
      }
    });
    request.once('end', () => (length > MAX_BODY_BYTES ? tooLarge() : resolve(Buffer.concat(chunks))));
    // Resolving twice does nothing: this is for senders that go away in the middle.
    const incomplete = (): void =>
      resolve({ reason: 'body-incomplete', message: 'the sender went away before the body ended' });
    request.once('error', incomplete);
    request.once('close', incomplete);
  });
}
