import type { ApiObject } from '../../store/object.ts';
import type { User } from '../access/user.ts';
import { ApiStatusError } from '../api-status-error.ts';
import type { ResourceKind } from '../kind.ts';

/** A write that admission is asked about. */
export interface AdmissionQuestion {
  readonly kind: ResourceKind;
  readonly operation: 'CREATE' | 'UPDATE';
  readonly subresource: string | undefined;
  readonly object: ApiObject;
  readonly previous: ApiObject | undefined;
  readonly user: User;
  readonly dryRun: boolean;
}

export type AdmissionAnswer =
  | { readonly allowed: true; readonly object?: ApiObject; readonly warnings?: readonly string[] }
  | { readonly allowed: false; readonly code: number; readonly reason: string; readonly message: string };

/** An admission webhook that runs in this process. */
export interface Admission {
  /** The webhook's name, for messages. */
  readonly name: string;
  /** Whether it may change the object; those that may are asked first. */
  readonly changes: boolean;
  review(question: AdmissionQuestion): Promise<AdmissionAnswer>;
}

/**
 * Asks one admission after the other, each about what the one before it made of the object.
 *
 * @param warnings gets what the caller should be told
 * @returns the object as the last one left it
 * @throws ApiStatusError where one denies the write
 */
export async function admitted(
  admissions: readonly Admission[],
  question: AdmissionQuestion,
  warnings: string[],
): Promise<ApiObject> {
  let { object } = question;
  for (const admission of admissions) {
    const answer = await admission.review({ ...question, object });
    if (!answer.allowed) {
      const message = `admission webhook "${admission.name}" denied the request: ${answer.message}`;
      throw new ApiStatusError(answer.code, answer.reason, message);
    }
    warnings.push(...(answer.warnings ?? []));
    object = answer.object ?? object;
  }
  return object;
}
