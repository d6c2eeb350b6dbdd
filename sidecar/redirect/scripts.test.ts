import { inboundRules, outboundRules } from './rules.ts';
import { iptablesScript } from './iptables.ts';
import { nftScript } from './nft.ts';
import { CASES, settingsOf } from './testing/cases.fake.ts';
import { golden } from './testing/golden.fake.ts';

describe.each(Object.entries(CASES))('the rules with %s', (name, env) => {
  const settings = settingsOf(env);

  test('are this nft table', () => {
    const script = nftScript(settings);
    expect(script).toBe(golden(`${name}.nft`, script));
  });

  test('are these iptables rules', () => {
    const script = iptablesScript(settings, 4);
    expect(script).toBe(golden(`${name}.iptables`, script));
  });

  test('are these ip6tables rules', () => {
    const script = iptablesScript(settings, 6);
    expect(script).toBe(golden(`${name}.ip6tables`, script));
  });

  test('each say why, in words that both tools take', () => {
    for (const { why } of [...inboundRules(settings), ...outboundRules(settings)]) {
      expect(why).toMatch(/^[ -~]{5,128}$/);
      expect(why).not.toMatch(/["\\]/);
    }
  });
});

describe('an iptables script', () => {
  test('does not jump twice to chains that are jumped to already', () => {
    const settings = settingsOf({});
    const saved = '*nat\n-A PREROUTING -p tcp -j MESH_INBOUND\n-A OUTPUT -p tcp -j MESH_OUTBOUND\nCOMMIT\n';
    expect(iptablesScript(settings, 4)).toContain('-A PREROUTING -p tcp -j MESH_INBOUND\n');
    expect(iptablesScript(settings, 4, saved)).not.toMatch(/-A (PREROUTING|OUTPUT)/);
  });

  test('puts at most fifteen ports into one rule', () => {
    const lines = iptablesScript(settingsOf({ MESH_SKIP_INBOUND_PORTS: '8000-8019' }), 4).split('\n');
    const ports = lines
      .filter((line) => line.includes('skip-inbound-ports'))
      .map((line) => line.split(',').length);
    expect(ports).toEqual([15, 5]);
  });
});
