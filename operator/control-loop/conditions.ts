import type { Condition } from '#core/resource.ts';
import { rfc3339 } from '#base/times.ts';

/** A condition as a decision makes it, before it is known whether it is news. */
export interface ConditionState {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** A condition that holds, with the reason "why" in CamelCase and a sentence for people. */
export function isTrue(type: string, reason: string, message: string): ConditionState {
  return { type, status: 'True', reason, message };
}

/** A condition that does not hold. */
export function isFalse(type: string, reason: string, message: string): ConditionState {
  return { type, status: 'False', reason, message };
}

const MAX_MESSAGE = 1024;

/**
 * Turns decided conditions into those of a status. `lastTransitionTime` moves only when the condition's status changes
 * (Kubernetes API conventions, "Typical status properties"); conditions of types that were not decided are left as they are,
 * because another controller may own them.
 *
 * @param previous the object's conditions so far
 * @param now Unix time, milliseconds
 */
export function mergeConditions(
  previous: readonly Condition[] | undefined,
  decided: readonly ConditionState[],
  generation: number | undefined,
  now: number,
): readonly Condition[] {
  const foreign = (previous ?? []).filter(
    (condition) => !decided.some((state) => state.type === condition.type),
  );
  const own = decided.map((state): Condition => {
    const before = previous?.find((condition) => condition.type === state.type);
    return {
      type: state.type,
      status: state.status,
      reason: state.reason,
      message:
        state.message.length > MAX_MESSAGE ? `${state.message.slice(0, MAX_MESSAGE - 1)}…` : state.message,
      lastTransitionTime: before?.status === state.status ? before.lastTransitionTime : rfc3339(now),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
  return [...own, ...foreign];
}
