import { parseCidrList } from '#core/net/cidr.ts';
import { PORTS, SIDECAR_UID } from '#core/constants.ts';
import { parsePortList } from '#core/net/port-list.ts';

/** What to redirect and what to leave alone. Every value in here is safe to be written into a rule script. */
export interface RedirectSettings {
  /** Where connections to this pod are led. */
  readonly inboundPort: number;
  /** Where connections of the application are led. */
  readonly outboundPort: number;
  /** The user whose connections pass: the sidecar's. */
  readonly sidecarUid: number;
  /** Ports of the sidecar that other pods reach as they are. */
  readonly ownPorts: readonly number[];
  /** Application ports that other pods reach as they are, without the mesh. */
  readonly skipInboundPorts: readonly number[];
  /** Destination ports that the application reaches as they are. */
  readonly skipOutboundPorts: readonly number[];
  /** Destinations that the application reaches as they are. */
  readonly skipOutboundCidrs: readonly Cidr[];
}

/** A range of addresses, such as 10.0.0.0/8. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly text: string;
}

export const SETTINGS_VARIABLES = {
  skipInboundPorts: 'MESH_SKIP_INBOUND_PORTS',
  skipOutboundPorts: 'MESH_SKIP_OUTBOUND_PORTS',
  skipOutboundCidrs: 'MESH_SKIP_OUTBOUND_CIDRS',
} as const;

/** What a rule script may hold besides our own words, whatever the readers above let through. */
const SAFE_CIDR = /^[0-9a-f:.]+\/[0-9]{1,3}$/;

/**
 * Reads what to skip from the environment.
 *
 * @returns the settings, or every fault at once, a sentence each
 */
export function readRedirectSettings(
  env: Readonly<Record<string, string | undefined>>,
): { readonly settings: RedirectSettings } | { readonly faults: readonly string[] } {
  const inbound = parsePortList(env[SETTINGS_VARIABLES.skipInboundPorts] ?? '');
  const outbound = parsePortList(env[SETTINGS_VARIABLES.skipOutboundPorts] ?? '');
  const ranges = parseCidrList(env[SETTINGS_VARIABLES.skipOutboundCidrs] ?? '');
  const faults = [
    ...inbound.faults.map((fault) => `${SETTINGS_VARIABLES.skipInboundPorts}: ${fault}`),
    ...outbound.faults.map((fault) => `${SETTINGS_VARIABLES.skipOutboundPorts}: ${fault}`),
    ...ranges.faults.map((fault) => `${SETTINGS_VARIABLES.skipOutboundCidrs}: ${fault}`),
  ];
  if (faults.length > 0) return { faults };
  return {
    settings: {
      inboundPort: PORTS.inbound,
      outboundPort: PORTS.outbound,
      sidecarUid: SIDECAR_UID,
      ownPorts: [PORTS.admin, PORTS.inbound],
      skipInboundPorts: inbound.ports,
      skipOutboundPorts: outbound.ports,
      skipOutboundCidrs: [...new Set(ranges.cidrs.map((text) => text.toLowerCase()))].map(toCidr),
    },
  };
}

function toCidr(text: string): Cidr {
  if (!SAFE_CIDR.test(text)) throw new RangeError(`${JSON.stringify(text)} is not a range of addresses`);
  return { family: text.includes(':') ? 6 : 4, text };
}
