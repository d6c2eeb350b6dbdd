import { inboundRules, outboundRules } from './rules.ts';
import type { Rule } from './rules.ts';
import type { RedirectSettings } from './settings.ts';

/** Our chains in the nat table, and the built-in chains that lead into them. */
const IPTABLES_CHAINS = [
  { chain: 'MESH_INBOUND', from: 'PREROUTING' },
  { chain: 'MESH_OUTBOUND', from: 'OUTPUT' },
] as const;

/** `-m multiport` takes no more ports than this in one rule. */
const MULTIPORT_LIMIT = 15;

/**
 * The script for `iptables-restore --noflush` (or `ip6tables-restore`): the same rules as the nft table, for kernels
 * without it. Naming a chain of our own empties it, so loading it again replaces the rules of before.
 *
 * @param existing the nat table as `iptables-save` prints it: jumps that are there already are not added twice
 */
export function iptablesScript(settings: RedirectSettings, family: 4 | 6, existing = ''): string {
  const there = new Set(existing.split('\n').map((line) => line.trim()));
  const jumps = IPTABLES_CHAINS.map(({ chain, from }) => `-A ${from} -p tcp -j ${chain}`).filter(
    (jump) => !there.has(jump),
  );
  return [
    '*nat',
    ...IPTABLES_CHAINS.map(({ chain }) => `:${chain} - [0:0]`),
    ...ruleLines('MESH_INBOUND', inboundRules(settings), family),
    ...ruleLines('MESH_OUTBOUND', outboundRules(settings), family),
    ...jumps,
    'COMMIT',
    '',
  ].join('\n');
}

function ruleLines(chain: string, rules: readonly Rule[], family: 4 | 6): string[] {
  return rules.flatMap((rule) =>
    matchTexts(rule, family).map(
      (match) => `-A ${chain} ${match} -m comment --comment "${rule.why}" ${targetText(rule)}`,
    ),
  );
}

/** What a rule matches; none when it is about the other family, several when it has too many ports. */
function matchTexts({ match }: Rule, family: 4 | 6): string[] {
  switch (match.kind) {
    case 'all-tcp':
      return ['-p tcp'];
    case 'not-tcp':
      return ['! -p tcp'];
    case 'destination-ports':
      return chunks(match.ports, MULTIPORT_LIMIT).map(
        (ports) => `-p tcp -m multiport --dports ${ports.join(',')}`,
      );
    case 'destination':
      return match.range.family === family ? [`-d ${match.range.text}`] : [];
    case 'owner':
      return [`-m owner --uid-owner ${match.uid}`];
    case 'loopback':
      return ['-o lo'];
  }
}

function targetText({ then }: Rule): string {
  return then === 'leave' ? '-j RETURN' : `-j REDIRECT --to-ports ${then.redirectTo}`;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
  return result;
}
