import fc from 'fast-check';

import { nftScript } from './nft.ts';
import { readRedirectSettings } from './settings.ts';

describe('the settings of the redirection', () => {
  test('are empty lists without an environment', () => {
    expect(readRedirectSettings({})).toEqual({
      settings: {
        inboundPort: 20000,
        outboundPort: 15001,
        sidecarUid: 15777,
        ownPorts: [15020, 20000],
        skipInboundPorts: [],
        skipOutboundPorts: [],
        skipOutboundCidrs: [],
      },
    });
  });

  test('know the family of a range, and each entry once', () => {
    const read = readRedirectSettings({
      MESH_SKIP_OUTBOUND_CIDRS: '10.0.0.0/8, FD00::/8,10.0.0.0/8',
      MESH_SKIP_INBOUND_PORTS: '9,7,9',
    });
    expect(read).toMatchObject({
      settings: {
        skipInboundPorts: [7, 9],
        skipOutboundCidrs: [
          { family: 4, text: '10.0.0.0/8' },
          { family: 6, text: 'fd00::/8' },
        ],
      },
    });
  });

  test('report every fault at once, with the variable it is in', () => {
    const read = readRedirectSettings({
      MESH_SKIP_INBOUND_PORTS: '0,80000',
      MESH_SKIP_OUTBOUND_PORTS: 'http',
      MESH_SKIP_OUTBOUND_CIDRS: '10.0.0.0/33',
    });
    const faults = 'faults' in read ? read.faults : [];
    expect(faults).toHaveLength(4);
    expect(faults[0]).toContain('MESH_SKIP_INBOUND_PORTS');
    expect(faults[2]).toContain('MESH_SKIP_OUTBOUND_PORTS: "http"');
    expect(faults[3]).toContain('MESH_SKIP_OUTBOUND_CIDRS');
  });

  test.each([
    ['a second command', '80; flush ruleset'],
    ['a new line', '80\nflush ruleset'],
    ['a closed set', '80 } accept'],
    ['a comment that ends', '80" accept'],
    ['a variable', '$ports'],
  ])('let nothing through that is not a valid port: %s', (_, text) => {
    expect(readRedirectSettings({ MESH_SKIP_INBOUND_PORTS: text })).toHaveProperty('faults');
    expect(readRedirectSettings({ MESH_SKIP_OUTBOUND_CIDRS: text })).toHaveProperty('faults');
  });

  test('are refused, or give a script in which every line is one of ours, whatever is written', () => {
    const ours =
      /^(?:table .*|delete .*|\s*chain .*|\s*type nat hook .*|\s*\}?|.* (return|redirect to :\d+) comment "[^"]+")$/;
    const line = fc.oneof(
      fc.string(),
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('10.0.0.0/8', '80', '80-90', ';', '\n', '"', '{', '#'),
    );
    const text = fc.array(line, { maxLength: 5 }).map((parts) => parts.join(','));
    fc.assert(
      fc.property(text, text, text, (inbound, outbound, cidrs) => {
        const read = readRedirectSettings({
          MESH_SKIP_INBOUND_PORTS: inbound,
          MESH_SKIP_OUTBOUND_PORTS: outbound,
          MESH_SKIP_OUTBOUND_CIDRS: cidrs,
        });
        if ('faults' in read) return;
        for (const written of nftScript(read.settings).split('\n')) expect(written).toMatch(ours);
      }),
    );
  });
});
