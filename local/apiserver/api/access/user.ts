/** Whose request it is. */
export interface User {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Members may do everything, as in Kubernetes. */
export const MASTERS = 'system:masters';
export const AUTHENTICATED = 'system:authenticated';
