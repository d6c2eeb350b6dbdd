import { readdirSync, readFileSync } from 'node:fs';

import { runOk } from './run.ts';

/** What happens to a pod from outside, on a node that is this very machine. */

const TABLE = 'mesh_e2e_cable';

/** The sidecar's process as this machine sees it; undefined where the node is another machine, or a virtual one. */
export function sidecarPid(pod: { readonly uid: string }): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const variables = readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0');
      // Of all containers of a pod only the sidecar is told so.
      if (variables.includes(`POD_UID=${pod.uid}`)) return Number(entry);
    } catch {
      // The process ended while we looked.
    }
  }
  return undefined;
}

/** Drops every packet that comes to a pod or leaves it, except what it says to itself. */
export async function pullCable(pid: number): Promise<void> {
  const chain = (hook: string, device: string) =>
    `chain ${hook} { type filter hook ${hook} priority -500; ${device} != "lo" drop\n}\n`;
  const table = `table inet ${TABLE} {\n${chain('input', 'iifname')}${chain('output', 'oifname')}}\n`;
  await inNetworkOf(pid, ['nft', '-f', '-'], table);
}

export async function plugInCable(pid: number): Promise<void> {
  await inNetworkOf(pid, ['nft', 'delete', 'table', 'inet', TABLE]);
}

/** The other ends of the connections that a pod's own port has, IP addresses. */
export async function peersAt(pid: number, port: number): Promise<readonly string[]> {
  const lines = await inNetworkOf(pid, ['ss', '-Htn', 'state', 'established', `sport = :${port}`]);
  return lines.split('\n').flatMap((line) => /(?:::ffff:)?([0-9a-f.:]+)\]?:\d+\s*$/.exec(line)?.[1] ?? []);
}

function inNetworkOf(pid: number, command: readonly string[], input?: string): Promise<string> {
  return runOk(['nsenter', '-t', String(pid), '-n', ...command], input === undefined ? {} : { input });
}
