import { REFUSALS, refusalRow } from '#core/refusals.ts';
import type { PeerRefusal } from '#core/refusals.ts';

import { OpenError } from './transport.ts';

/** What a peer's refusal of a stream means; one that nobody here knows is like `app-unreachable`. */
export function refusedBy(code: string, text: string): OpenError {
  const reason = isPeerRefusal(code) ? code : 'app-unreachable';
  return new OpenError(reason, text, REFUSALS[reason].next);
}

/** What a peer says before it has passed anything on; after any other end nobody knows whether it did. */
export function isPeerRefusal(word: string): word is PeerRefusal {
  return refusalRow(word)?.next !== undefined;
}
