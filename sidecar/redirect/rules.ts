import type { Cidr, RedirectSettings } from './settings.ts';

/**
 * The redirection as a list of decisions, each with its reason, independent of the tool that loads it. First match wins.
 */
export interface Rule {
  readonly match: Match;
  /** Leave the connection alone, or lead it to this local port. */
  readonly then: 'leave' | { readonly redirectTo: number };
  /** For people who read the loaded rules. At most 128 bytes, without quotes: that is what nft takes. */
  readonly why: string;
}

type Match =
  | { readonly kind: 'all-tcp' }
  | { readonly kind: 'not-tcp' }
  | { readonly kind: 'destination-ports'; readonly ports: readonly number[] }
  | { readonly kind: 'destination'; readonly range: Cidr }
  | { readonly kind: 'owner'; readonly uid: number }
  | { readonly kind: 'loopback' };

/** The addresses under which clouds tell a machine who it is; never part of a mesh, and asked by many SDKs at start. */
const CLOUD_METADATA: readonly Cidr[] = [
  { family: 4, text: '169.254.169.254/32' },
  { family: 6, text: 'fd00:ec2::254/128' },
];

/** Connections to this pod, in the order in which they are tried. */
export function inboundRules(settings: RedirectSettings): Rule[] {
  return [
    { match: { kind: 'not-tcp' }, then: 'leave', why: 'only TCP goes through the mesh' },
    {
      match: { kind: 'destination-ports', ports: settings.ownPorts },
      then: 'leave',
      why: 'the sidecar itself: health and metrics, mutual TLS',
    },
    ...skipPorts(settings.skipInboundPorts, 'mesh/skip-inbound-ports'),
    {
      match: { kind: 'all-tcp' },
      then: { redirectTo: settings.inboundPort },
      why: 'every other connection to this pod: the sidecar authorizes it',
    },
  ];
}

/** Connections the pod makes, in the order in which they are tried. */
export function outboundRules(settings: RedirectSettings): Rule[] {
  return [
    { match: { kind: 'not-tcp' }, then: 'leave', why: 'only TCP goes through the mesh' },
    {
      match: { kind: 'owner', uid: settings.sidecarUid },
      then: 'leave',
      why: 'the sidecar itself: to other pods, to the API server, and to the application',
    },
    { match: { kind: 'loopback' }, then: 'leave', why: 'within the pod' },
    ...skipPorts(settings.skipOutboundPorts, 'mesh/skip-outbound-ports'),
    ...skipRanges(CLOUD_METADATA, 'what a cloud tells a machine about itself'),
    ...skipRanges(settings.skipOutboundCidrs, 'mesh/skip-outbound-cidrs'),
    {
      match: { kind: 'all-tcp' },
      then: { redirectTo: settings.outboundPort },
      why: 'every other connection: the sidecar finds out where to',
    },
  ];
}

function skipPorts(ports: readonly number[], why: string): Rule[] {
  return ports.length === 0 ? [] : [{ match: { kind: 'destination-ports', ports }, then: 'leave', why }];
}

function skipRanges(ranges: readonly Cidr[], why: string): Rule[] {
  return ranges.map((range) => ({ match: { kind: 'destination', range }, then: 'leave', why }));
}
