import { isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';

import { PORTS, SIDECAR_UID } from '#core/constants.ts';

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
  /** Address and prefix length, lower case. */
  readonly text: string;
}

export const SETTINGS_VARIABLES = {
  skipInboundPorts: 'MESH_SKIP_INBOUND_PORTS',
  skipOutboundPorts: 'MESH_SKIP_OUTBOUND_PORTS',
  skipOutboundCidrs: 'MESH_SKIP_OUTBOUND_CIDRS',
} as const;

const MAX_ENTRIES = 128;

const list = z
  .string()
  .max(8192, 'longer than 8192 characters')
  .transform((text) => text.split(',').map((entry) => entry.trim()))
  .transform((entries) => entries.filter((entry) => entry !== ''))
  .refine((entries) => entries.length <= MAX_ENTRIES, `more than ${MAX_ENTRIES} entries`);

const ports = list.transform((entries, context) => {
  const numbers = entries.map((entry) =>
    readPort(entry, (message) => context.addIssue({ code: 'custom', message })),
  );
  return [...new Set(numbers)].sort((a, b) => a - b);
});

const cidrs = list.transform((entries, context) =>
  entries.flatMap(
    (entry) => readCidr(entry) ?? refuse(entry, (message) => context.addIssue({ code: 'custom', message })),
  ),
);

const environment = z.object({
  [SETTINGS_VARIABLES.skipInboundPorts]: ports.default([]),
  [SETTINGS_VARIABLES.skipOutboundPorts]: ports.default([]),
  [SETTINGS_VARIABLES.skipOutboundCidrs]: cidrs.default([]),
});

/**
 * Reads what to skip from the environment.
 *
 * @returns the settings, or every fault at once, a sentence each
 */
export function readRedirectSettings(
  env: Readonly<Record<string, string | undefined>>,
): { readonly settings: RedirectSettings } | { readonly faults: readonly string[] } {
  const parsed = environment.safeParse(env);
  if (!parsed.success)
    return { faults: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) };
  const { data } = parsed;
  return {
    settings: {
      inboundPort: PORTS.inbound,
      outboundPort: PORTS.outbound,
      sidecarUid: SIDECAR_UID,
      ownPorts: [PORTS.admin, PORTS.inbound],
      skipInboundPorts: data[SETTINGS_VARIABLES.skipInboundPorts],
      skipOutboundPorts: data[SETTINGS_VARIABLES.skipOutboundPorts],
      skipOutboundCidrs: data[SETTINGS_VARIABLES.skipOutboundCidrs],
    },
  };
}

function readPort(entry: string, fault: (message: string) => void): number {
  const port = /^[0-9]{1,5}$/.test(entry) ? Number(entry) : 0;
  if (port < 1 || port > 65535)
    fault(
      `${quote(entry)} is no port; write numbers from 1 to 65535 with commas between, such as "9000,9001"`,
    );
  return port;
}

function readCidr(entry: string): Cidr | undefined {
  const [address = '', prefix, ...rest] = entry.toLowerCase().split('/');
  if (rest.length > 0) return undefined;
  // isIPv6 takes "fe80::1%eth0"; a zone has no meaning here.
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined;
  if (family === undefined) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (prefix !== undefined && !/^[0-9]{1,3}$/.test(prefix)) return undefined;
  const length = prefix === undefined ? bits : Number(prefix);
  return length <= bits ? { family, text: `${address}/${length}` } : undefined;
}

function refuse(entry: string, fault: (message: string) => void): [] {
  fault(`${quote(entry)} is no range of addresses; write such as "10.0.0.0/8,fd00::/8" or one address`);
  return [];
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
