import type { RefusalReason } from '../refusals/refusal.ts';

import { OpenError } from './transport.ts';

/** Whether another endpoint may do better, for each word of a refusing sidecar that we know. */
const REFUSALS: Readonly<Record<string, { reason: RefusalReason; retry: boolean; eject: boolean }>> = {
  denied: { reason: 'denied', retry: false, eject: false },
  'port-not-declared': { reason: 'port-not-declared', retry: true, eject: false },
  'app-unreachable': { reason: 'app-unreachable', retry: true, eject: true },
  draining: { reason: 'draining', retry: true, eject: true },
  'not-ready': { reason: 'not-ready', retry: true, eject: true },
  limit: { reason: 'limit', retry: true, eject: true },
  'untrusted-certificate': { reason: 'untrusted-certificate', retry: true, eject: true },
  'expired-certificate': { reason: 'expired-certificate', retry: true, eject: true },
};

/** What a peer's refusal of a stream means; one that nobody here knows is like `app-unreachable`. */
export function refusedBy(code: string, text: string): OpenError {
  const known = (Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined) ?? {
    reason: 'app-unreachable',
    retry: true,
    eject: true,
  };
  return new OpenError(known.reason, text, known);
}
