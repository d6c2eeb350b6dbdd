import { REFUSALS, refusalRow } from '#core/refusals.ts';
import type { Reason, RefusalReason, ResetReason } from '#core/refusals.ts';

const REASONS = new Map<number, ResetReason>(
  (Object.keys(REFUSALS) as Reason[]).filter(isResetReason).map((reason) => [REFUSALS[reason].code, reason]),
);

export function codeOf(reason: ResetReason): number {
  return REFUSALS[reason].code;
}

/** @returns undefined for a code of a newer version */
export function reasonOf(code: number): ResetReason | undefined {
  return REASONS.get(code);
}

/** The wire's word for a refusal; refusals that peers need not tell apart are `app-reset`. */
export function resetReasonFor(reason: RefusalReason): ResetReason {
  return isResetReason(reason) ? reason : 'app-reset';
}

function isResetReason(reason: Reason): reason is ResetReason {
  return refusalRow(reason).code !== undefined;
}

/** A stream was ended by the other side, before its time. */
export class StreamReset extends Error {
  /** Undefined for a code of a newer version. */
  readonly reason: ResetReason | undefined;

  constructor({ code, text }: { readonly code: number; readonly text: string }) {
    super(text);
    this.name = 'StreamReset';
    this.reason = reasonOf(code);
  }
}
