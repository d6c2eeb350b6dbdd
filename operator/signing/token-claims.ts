import * as z from 'zod';

import type { SigningRefusal } from './refusal.ts';

/** What a token says about itself. Nobody has checked its signature: good for refusing it early, never for granting anything. */
export interface UncheckedClaims {
  readonly namespace: string;
  readonly podName: string;
  readonly podUid: string;
}

export interface ClaimFacts {
  /** The audience that we would ask for. */
  readonly audience: string;
  /** Unix time, milliseconds. */
  readonly now: number;
}

/** How far the clock of the API server that made the token may be behind ours, milliseconds. */
const CLOCK_SKEW_MS = 300_000;
const SEGMENT = /^[A-Za-z0-9_-]+$/;
const name = z.string().min(1).max(253);

const headerSchema = z.looseObject({ alg: z.string().min(1).max(32) });
/** The claims of a ServiceAccount token that is bound to a pod (KEP-1205). */
const payloadSchema = z.looseObject({
  aud: z.union([z.string(), z.array(z.string()).max(64)]),
  exp: z.number(),
  'kubernetes.io': z.looseObject({
    namespace: name,
    pod: z.looseObject({ name, uid: name }).optional(),
    serviceaccount: z.looseObject({ name }),
  }),
});

/**
 * Whether a token can be one of a pod's for us: a JSON Web Token (RFC 7519) with the claims of a bound ServiceAccount token, of our
 * audience, not expired. It spares the API server every question about what cannot be right; what can is asked about all the same.
 */
export function readClaims(token: string, { audience, now }: ClaimFacts): UncheckedClaims | SigningRefusal {
  const [header = '', payload = '', signature = '', ...more] = token.split('.');
  const isToken = more.length === 0 && [header, payload, signature].every((part) => SEGMENT.test(part));
  const read =
    isToken && headerSchema.safeParse(decoded(header)).success
      ? payloadSchema.safeParse(decoded(payload))
      : undefined;
  if (!read?.success)
    return { reason: 'token-malformed', message: 'the token is not a ServiceAccount token' };
  const { aud, exp, 'kubernetes.io': claims } = read.data;
  if (![aud].flat().includes(audience))
    return { reason: 'token-audience', message: `the token's audience is not ${audience}` };
  if (exp * 1000 + CLOCK_SKEW_MS < now) return { reason: 'token-expired', message: 'the token has expired' };
  const { namespace, pod } = claims;
  if (!pod)
    return {
      reason: 'token-unbound',
      message: 'the token is not bound to a pod; only a projected token of a running pod is accepted',
    };
  return { namespace, podName: pod.name, podUid: pod.uid };
}

function decoded(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
