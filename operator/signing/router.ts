import { Router } from 'express';

import { SIGN_PATH } from '#core/wire.ts';

import type { BodyBudget } from '../server/body-budget.ts';
import { proveConnection } from '../server/listener.ts';
import { readBody } from '../server/read-body.ts';
import type { Body, BodyRefusal } from '../server/read-body.ts';
import type { SigningRefusal } from './refusal.ts';
import { MAX_BODY_BYTES } from './request.ts';
import type { SigningService } from './signing-service.ts';

export interface SigningRouterDeps {
  /** Memory for bodies that are being read. */
  readonly budget: BodyBudget;
  /** Counts bodies that were refused. */
  readonly refused: (reason: BodyRefusal) => void;
}

/** `POST /v1/sign`. The server it is mounted on sets the time a request may take. */
export function signingRouter(
  service: Pick<SigningService, 'sign'>,
  { budget, refused }: SigningRouterDeps,
): Router {
  const router = Router();
  router.post(SIGN_PATH, async (request, response) => {
    let taken: Body | undefined;
    const { status, headers, body } = await service.sign({
      sourceAddress: request.socket.remoteAddress ?? '',
      authorization: request.headers.authorization,
      body: async () => {
        const read = await readBody(request, { maxBytes: MAX_BODY_BYTES, budget });
        if (typeof read !== 'string') return (taken = read).bytes;
        refused(read);
        return BODY_REFUSALS[read];
      },
    });
    taken?.release();
    if (status === 200) proveConnection(request);
    // What was not read must not be taken for the next request, and whoever asks too often need not be kept.
    if (!request.complete || status === 429) response.set('Connection', 'close');
    response
      .status(status)
      .set({ ...headers, 'Cache-Control': 'no-store' })
      .json(body);
  });
  return router;
}

const BODY_REFUSALS: Readonly<Record<BodyRefusal, SigningRefusal>> = {
  'length-required': {
    reason: 'body-length-missing',
    message: 'the request says not how long its body is (Content-Length)',
  },
  'too-large': { reason: 'body-too-large', message: `the body has more than ${MAX_BODY_BYTES} bytes` },
  'no-room': { reason: 'busy', message: 'there is no room for the body now' },
  evicted: { reason: 'busy', message: 'the body was not there when its place was needed' },
  incomplete: { reason: 'body-incomplete', message: 'the sender went away before the body ended' },
};
