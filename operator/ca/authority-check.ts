import type { Fault } from '#core/fault.ts';
import { authorityKey, caSettings } from '#core/model/ca-settings.ts';
import type { CaSettings } from '#core/model/ca-settings.ts';
import { meshConfigSpecSchema } from '#core/model/mesh-config.ts';

import type { RootSlots } from './root-slots.ts';

/** Less than the API server waits for the webhook. */
const ANSWER_MS = 3_500;

/**
 * Asks the authority that a change of the MeshConfig names whether it would sign, before the change is stored. Nothing is changed
 * by it. A change that asks nothing of an authority is not looked at, so that one that is away hinders nobody.
 *
 * @param spec as it shall be, checked already
 * @param before as it was; undefined when it is created, where the operator that creates it has that authority
 */
export async function authorityFaults(
  spec: unknown,
  before: unknown,
  slots: RootSlots,
): Promise<readonly Fault[]> {
  const wanted = readSettings(spec);
  const was = before === undefined ? undefined : readSettings(before);
  if (!wanted || !was || wanted.request?.mode === 'abort' || asksAlike(wanted, was)) return [];
  const { provider: name } = wanted.authority;
  const provider = slots.next(wanted.authority, false);
  const limit = AbortSignal.timeout(ANSWER_MS);
  try {
    await provider.check(limit);
    return [];
  } catch (error) {
    const message = limit.aborted
      ? `${name} did not answer within ${ANSWER_MS / 1000} s`
      : (error as Error).message;
    return [{ field: name === 'builtin' ? 'spec.ca' : 'spec.ca.config', message }];
  } finally {
    await provider.stop();
  }
}

function asksAlike(one: CaSettings, other: CaSettings): boolean {
  return asked(one) === asked(other);
}

function asked({ authority, keyType, request }: CaSettings): string {
  return [authorityKey(authority), keyType, request?.id ?? ''].join('\n');
}

function readSettings(spec: unknown): CaSettings | undefined {
  const read = meshConfigSpecSchema.safeParse(spec ?? {});
  return read.success ? caSettings(read.data) : undefined;
}
