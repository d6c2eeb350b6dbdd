import type { BundleEndpoint, FederationStatus } from '#core/model/federation.ts';
import { rfc3339 } from '#base/times.ts';
import { certificatesPem } from '#pki/pem.ts';
import type { SpiffeBundle } from '#pki/spiffe-bundle.ts';

import { isFalse, isTrue } from '../../control-loop/conditions.ts';
import type { ConditionState } from '../../control-loop/conditions.ts';
import { fingerprint } from '../../federation/own-bundle.ts';

/** What follows from what an endpoint answered. Pure. */

/** Where a bundle says nothing of it (SPIFFE Federation, 4.1). */
const DEFAULT_REFRESH_MS = 300_000;
const SHORTEST_REFRESH_MS = 60_000;
/** A key that was taken back should not be trusted for much longer, whatever the publisher thinks. */
const LONGEST_REFRESH_MS = 3_600_000;
const FIRST_RETRY_MS = 5_000;

/** One or two misses are foreseen (SPIFFE Federation, 6.2) and not worth a write that reaches every sidecar. */
export const MISSES_TO_TELL = 3;

/** A fingerprint of an endpoint as it is written: another one is another source, whose bundles are not compared. */
export function endpointId(endpoint: BundleEndpoint): string {
  const fields = Object.entries(endpoint).sort(([a], [b]) => (a < b ? -1 : 1));
  return fingerprint(JSON.stringify(fields));
}

/**
 * How long until the next look.
 *
 * @param hint the bundle's own wish, seconds
 * @param random from 0 to 1; spreads the looks of many
 */
export function refreshMs(hint: number | undefined, random: number): number {
  const wished = hint === undefined || hint === 0 ? DEFAULT_REFRESH_MS : hint * 1000;
  const bounded = Math.min(LONGEST_REFRESH_MS, Math.max(SHORTEST_REFRESH_MS, wished));
  return bounded * (0.9 + 0.1 * random);
}

/**
 * How long until the next look after a failure: soon where nothing is known yet, else no sooner than otherwise (SPIFFE
 * Federation, 6.2), but within five minutes.
 *
 * @param misses in a row, this one included
 */
export function retryMs(misses: number, hasBundle: boolean, random: number): number {
  const wait = hasBundle ? DEFAULT_REFRESH_MS : FIRST_RETRY_MS * 2 ** Math.min(misses - 1, 10);
  return Math.min(wait, DEFAULT_REFRESH_MS) * (0.9 + 0.1 * random);
}

export type Taken =
  | { readonly result: 'changed' | 'unchanged' | 'withdrawn'; readonly status: FederationStatus }
  | { readonly result: 'refused'; readonly message: string };

/**
 * What becomes of a bundle that was fetched (SPIFFE Federation, 4.2). Once an endpoint has handed out a number, other roots come with
 * that number or a higher one: a lower one is older, and how old a bundle without one is nobody knows. The same roots raise the
 * number too, and never lower it. A bundle without any root takes trust away (SPIFFE Trust Domain and Bundle, 4.1.3: everybody of
 * that trust domain must then be treated as untrusted).
 *
 * @param previous what is known of this trust domain
 * @param source {@link endpointId} of where it was fetched
 * @param now Unix time, milliseconds
 */
export function take(
  previous: FederationStatus | undefined,
  { roots, sequence }: SpiffeBundle,
  {
    trustDomain,
    source,
    now,
  }: { readonly trustDomain: string; readonly source: string; readonly now: number },
): Taken {
  const distinct = [...new Map(roots.map((root) => [root.fingerprint256, root])).entries()];
  // In an order of our own: the publisher's may change by itself.
  const bundle = certificatesPem(distinct.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, root]) => root));
  const withdrawn = bundle === '' ? { message: WITHDRAWN } : {};
  const comparable = previous?.endpoint === source ? previous : undefined;
  if (comparable?.bundle === bundle) {
    const status = { ...withoutMessage(comparable), ...highest(sequence, comparable.sequence), ...withdrawn };
    return { result: 'unchanged', status };
  }
  const last = comparable?.sequence;
  if (last !== undefined && (sequence === undefined || sequence < last))
    return {
      result: 'refused',
      message: `the endpoint hands out a bundle with ${sequence === undefined ? 'no number' : `number ${sequence}`}, after number ${last}; number ${last} stays in force. If ${trustDomain} has started its numbers over, remove its entry from spec.federation, wait until status.federation has none for it, and write its entry again`,
    };
  return {
    result: bundle === '' ? 'withdrawn' : 'changed',
    status: {
      trustDomain,
      bundle,
      ...(sequence === undefined ? {} : { sequence }),
      fetchedAt: rfc3339(now),
      endpoint: source,
      ...withdrawn,
    },
  };
}

/**
 * What is known of a trust domain: what this leader took, unless another one has published something later since.
 *
 * @param here taken by this leader, from the endpoint as it is written now
 * @param published in the MeshConfig's status
 */
export function latest(
  here: FederationStatus | undefined,
  published: FederationStatus | undefined,
): FederationStatus | undefined {
  if (!here || !published) return here ?? published;
  const isLater = here.endpoint === published.endpoint && (published.sequence ?? -1) > (here.sequence ?? -1);
  return isLater ? published : here;
}

function highest(...numbers: readonly (number | undefined)[]): { readonly sequence?: number } {
  const sequence = Math.max(...numbers.map((number) => number ?? -1));
  return sequence < 0 ? {} : { sequence };
}

function withoutMessage(status: FederationStatus): FederationStatus {
  const rest: { -readonly [Key in keyof FederationStatus]: FederationStatus[Key] } = { ...status };
  delete rest.message;
  return rest;
}

const WITHDRAWN =
  'its bundle has no key for X.509 any more: it has taken its keys back, and no workload of this trust domain is trusted';

/** The condition about all endpoints; undefined where there is none. */
export function federationCondition(
  trustDomains: readonly string[],
  statuses: readonly FederationStatus[],
): ConditionState | undefined {
  if (trustDomains.length === 0) return undefined;
  const faults = trustDomains.flatMap((name) => {
    const status = statuses.find(({ trustDomain }) => trustDomain === name);
    if (status?.message !== undefined) return [`${name}: ${status.message}`];
    return status?.bundle === undefined ? [`${name}: no bundle is known yet`] : [];
  });
  if (faults.length > 0) return isFalse('FederationReady', 'Incomplete', faults.join('; '));
  return isTrue('FederationReady', 'Fetched', `the bundles of ${trustDomains.join(', ')} are known`);
}
