import { isRecord } from '#base/record.ts';

import type { Action } from '../model/intention.ts';

/**
 * What of an Intention's spec is not a valid name: the part of its schema that needs reading. Every sidecar reads intentions, and the
 * schema library would be the largest part of it; so this says in few words what the schema says, and a test holds the two
 * together: what one of them refuses, the other refuses too.
 */
export interface IntentionSpecReading {
  readonly source: Readonly<Record<string, unknown>>;
  readonly destination: Readonly<Record<string, unknown>>;
  readonly action: Action;
  readonly mode: 'enforce' | 'audit';
  /** Unix time, milliseconds. */
  readonly expiresAt?: number;
  /** As written; it counts in the mesh's own namespace alone. */
  readonly override: boolean;
}

const MAX_DESCRIPTION = 512;

/** The fields of this version. A spec with any other is from a newer one, and may mean something else. */
export const INTENTION_FIELDS = {
  spec: ['source', 'destination', 'action', 'mode', 'expiresAt', 'override', 'description'],
  source: ['service', 'namespace', 'spiffeId'],
  destination: ['service', 'namespace'],
} as const;

/** Reads a spec; undefined when it is not entirely of this version. The names in it are not looked at. Never throws. */
export function readIntentionSpec(spec: unknown): IntentionSpecReading | undefined {
  if (!hasOnly(spec, INTENTION_FIELDS.spec)) return undefined;
  const { source, destination, action, mode = 'enforce', expiresAt, override = false, description } = spec;
  if (!hasOnly(source, INTENTION_FIELDS.source)) return undefined;
  if (!hasOnly(destination, INTENTION_FIELDS.destination)) return undefined;
  if (source['namespace'] === null || destination['namespace'] === null) return undefined;
  if (!isAction(action) || !isMode(mode) || typeof override !== 'boolean') return undefined;
  if (description !== undefined && !isShortText(description)) return undefined;
  const reading = { source, destination, action, mode, override };
  if (expiresAt === undefined) return reading;
  const end = readTime(expiresAt);
  return end === undefined ? undefined : { ...reading, expiresAt: end };
}

function hasOnly(value: unknown, fields: readonly string[]): value is Readonly<Record<string, unknown>> {
  return isRecord(value) && Object.keys(value).every((key) => fields.includes(key));
}

function isAction(value: unknown): value is Action {
  return value === 'allow' || value === 'deny';
}

function isMode(value: unknown): value is IntentionSpecReading['mode'] {
  return value === 'enforce' || value === 'audit';
}

function isShortText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_DESCRIPTION;
}

/** RFC 3339 in UTC. */
const TIME = /^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?Z$/;

/** The time a text says; undefined when it says none, or a day that does not exist. */
function readTime(value: unknown): number | undefined {
  if (typeof value !== 'string' || !TIME.test(value)) return undefined;
  const time = Date.parse(value);
  // Date.parse makes the second of March of a thirtieth of February.
  const exists = !Number.isNaN(time) && new Date(time).toISOString().startsWith(value.slice(0, 10));
  return exists ? time : undefined;
}
