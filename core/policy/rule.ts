import { objectKey } from '../resource.ts';
import { WILDCARD, isDnsLabel } from '../names.ts';
import { parseSpiffeId } from '../spiffe-id.ts';
import type { ObjectMeta } from '../resource.ts';
import type { Action } from '../model/intention.ts';
import { readIntentionSpec } from './intention-spec.ts';

/** An intention as the decision uses it: names filled in, times as numbers. */
export interface Rule {
  /** `namespace/name` of the Intention, and which generation of it this is. */
  readonly ref: RuleRef;
  readonly source: RuleSource;
  readonly destination: { readonly namespace: string; readonly service: string };
  /** What it is about, as one word by which it is found. */
  readonly edge: string;
  readonly action: Action;
  readonly mode: 'enforce' | 'audit';
  /** Unix time, milliseconds at which the rule stops to count. */
  readonly expiresAt?: number;
  /** Consul's number, 9 (most exact) to 1, for most rules; more for those that stand above all of these (docs/intentions.md). */
  readonly precedence: number;
  /** Set for a rule of the mesh's own namespace that stands above all rules without this. */
  readonly override?: true;
  /** Set for an Intention that this version could not read entirely; the rule is then a deny. */
  readonly unreadable?: true;
}

export interface RuleRef {
  readonly key: string;
  readonly uid: string;
  readonly generation: number;
}

/** A caller a rule is about: a service of this mesh (either part may be "*"), or one foreign SPIFFE ID. */
type RuleSource =
  | { readonly kind: 'service'; readonly namespace: string; readonly service: string }
  | { readonly kind: 'spiffe'; readonly id: string };

/** An Intention as it comes from the API server, before anything in it is trusted. */
export interface RawIntention {
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
}

/** An unreadable rule of a tenant: above all that tenants write, so that it closes what it may have been about. */
const UNREADABLE_PRECEDENCE = 10;
/** What an override adds to Consul's number: 11 to 19, above all that tenants write. */
const OVERRIDE_ADDS = 10;
/** An unreadable rule of the mesh's own namespace: it may have been an override, so it stands above these. */
const UNREADABLE_PLATFORM_PRECEDENCE = 20;

/**
 * Turns an Intention into a rule. An Intention that this version cannot read entirely (an unknown field of a newer
 * version, a value outside the schema) becomes a deny: for its own source and destination where these can be read, else
 * for the whole namespace. "Unreadable policy is a deny" (docs/decisions/0003-decide.md). `override` counts in the mesh's own
 * namespace; elsewhere it has no effect, whether admission saw it or not (docs/decisions/0025-override.md).
 *
 * @param meshNamespace where rules for all namespaces live
 */
export function toRule(intention: RawIntention, meshNamespace: string): Rule {
  const home = intention.metadata.namespace ?? '';
  const ref: RuleRef = {
    key: objectKey(intention),
    uid: intention.metadata.uid ?? '',
    generation: intention.metadata.generation ?? 0,
  };
  const spec = readIntentionSpec(intention.spec);
  const edge = spec && readEdge(spec, home, meshNamespace);
  if (!edge) return unreadable(ref, intention, home, meshNamespace);
  const { action, mode, expiresAt } = spec;
  const override = spec.override && home === meshNamespace;
  return {
    ref,
    ...edge,
    edge: edgeOf(edge),
    action,
    mode,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    precedence: precedenceOf(edge.source, edge.destination) + (override ? OVERRIDE_ADDS : 0),
    ...(override ? { override } : {}),
  };
}

/** Consul's nine levels (`precedence` of an intention): the destination weighs more than the source. */
function precedenceOf(source: RuleSource, destination: Rule['destination']): number {
  const exactness = (namespace: string, service: string): number =>
    namespace === WILDCARD ? 0 : service === WILDCARD ? 1 : 2;
  const from = source.kind === 'spiffe' ? 2 : exactness(source.namespace, source.service);
  const to = exactness(destination.namespace, destination.service);
  return to * 3 + from + 1;
}

interface Edge {
  readonly source: RuleSource;
  readonly destination: Rule['destination'];
}

interface RawEdge {
  readonly source?: { service?: unknown; namespace?: unknown; spiffeId?: unknown } | undefined;
  readonly destination?: { service?: unknown; namespace?: unknown } | undefined;
  readonly override?: unknown;
}

function readEdge(raw: RawEdge, home: string, meshNamespace: string): Edge | undefined {
  const destinationNamespace = raw.destination?.namespace ?? home;
  const destinationService = raw.destination?.service;
  if (!isLabelOrWildcard(destinationService) || !isLabelOrWildcard(destinationNamespace)) return undefined;
  const everywhere = destinationNamespace === WILDCARD;
  if (everywhere && destinationService !== WILDCARD) return undefined;
  // Only the mesh's namespace has rules for others: for all of them, or for one, above what that one says itself.
  const reachesOut = home === meshNamespace && (everywhere || raw.override === true);
  if (destinationNamespace !== home && !reachesOut) return undefined;
  const source = readSource(raw.source, home);
  if (!source) return undefined;
  return { source, destination: { namespace: destinationNamespace, service: destinationService } };
}

function readSource(raw: RawEdge['source'], home: string): RuleSource | undefined {
  if (!raw) return undefined;
  if (raw.spiffeId !== undefined) {
    if (raw.service !== undefined || raw.namespace !== undefined) return undefined;
    // A peer never has an ID that is not a valid SPIFFE ID: a deny for it would deny nobody.
    if (typeof raw.spiffeId !== 'string' || !parseSpiffeId(raw.spiffeId)) return undefined;
    return { kind: 'spiffe', id: raw.spiffeId };
  }
  const namespace = raw.namespace ?? home;
  if (!isLabelOrWildcard(raw.service) || !isLabelOrWildcard(namespace)) return undefined;
  if (namespace === WILDCARD && raw.service !== WILDCARD) return undefined;
  return { kind: 'service', namespace, service: raw.service };
}

function unreadable(ref: RuleRef, intention: RawIntention, home: string, meshNamespace: string): Rule {
  const spec =
    typeof intention.spec === 'object' && intention.spec !== null ? (intention.spec as RawEdge) : {};
  const edge = readEdge(spec, home, meshNamespace) ?? {
    source: { kind: 'service', namespace: WILDCARD, service: WILDCARD } as const,
    destination: { namespace: home === meshNamespace ? WILDCARD : home, service: WILDCARD },
  };
  return {
    ref,
    ...edge,
    edge: edgeOf(edge),
    action: 'deny',
    mode: 'enforce',
    precedence: home === meshNamespace ? UNREADABLE_PLATFORM_PRECEDENCE : UNREADABLE_PRECEDENCE,
    unreadable: true,
  };
}

function edgeOf({ source, destination: { namespace, service } }: Edge): string {
  const from =
    source.kind === 'spiffe' ? foreignSource(source.id) : localSource(source.namespace, source.service);
  return edgeKey(from, namespace, service);
}

export function localSource(namespace: string, service: string): string {
  return `svc ${namespace}/${service}`;
}

export function foreignSource(spiffeId: string): string {
  return `id ${spiffeId}`;
}

/** @param source of {@link localSource} or {@link foreignSource} */
export function edgeKey(source: string, namespace: string, service: string): string {
  return `${source} -> ${namespace}/${service}`;
}

function isLabelOrWildcard(value: unknown): value is string {
  return typeof value === 'string' && (value === WILDCARD || isDnsLabel(value));
}
