import type { ApiObject } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import type { User } from '../access/user.ts';

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
