import { inboundRules, outboundRules } from './rules.ts';
import type { Rule } from './rules.ts';
import type { RedirectSettings } from './settings.ts';

const NFT_TABLE = 'mesh_redirect';

/**
 * The script for `nft --file -`: one table for IPv4 and IPv6. Adding, deleting and adding it again in one transaction
 * replaces a table of before, and there is no moment without rules.
 */
export function nftScript(settings: RedirectSettings): string {
  return [
    `table inet ${NFT_TABLE} {}`,
    `delete table inet ${NFT_TABLE}`,
    `table inet ${NFT_TABLE} {`,
    '  chain inbound {',
    '    type nat hook prerouting priority -100; policy accept;',
    ...inboundRules(settings).map(ruleLine),
    '  }',
    '',
    '  chain outbound {',
    '    type nat hook output priority -100; policy accept;',
    ...outboundRules(settings).map(ruleLine),
    '  }',
    '}',
    '',
  ].join('\n');
}

function ruleLine(rule: Rule): string {
  return `    ${matchText(rule)} ${verdictText(rule)} comment "${rule.why}"`;
}

function matchText({ match }: Rule): string {
  switch (match.kind) {
    case 'all-tcp':
      // `redirect to :port` alone is refused: a port needs a protocol.
      return 'meta l4proto tcp';
    case 'not-tcp':
      return 'meta l4proto != tcp';
    case 'destination-ports':
      return `tcp dport { ${match.ports.join(', ')} }`;
    case 'destination':
      return `${match.range.family === 4 ? 'ip' : 'ip6'} daddr ${match.range.text}`;
    case 'owner':
      return `meta skuid ${match.uid}`;
    case 'loopback':
      return 'oifname "lo"';
  }
}

function verdictText({ then }: Rule): string {
  return then === 'leave' ? 'return' : `redirect to :${then.redirectTo}`;
}
