import fc from 'fast-check';

import { parseCidr, parseCidrList } from './cidr.ts';

describe('an address block', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.168.1.7', '192.168.1.7/32'],
    ['::/0', '::/0'],
    ['fd00::/8', 'fd00::/8'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::ffff:10.0.0.0/104', '::ffff:10.0.0.0/104'],
    ['1:2:3:4:5:6:7:8/128', '1:2:3:4:5:6:7:8/128'],
  ])('%s is read', (text, cidr) => {
    expect(parseCidr(text)).toEqual({ cidr });
  });

  test.each([
    ['255.255.255.255/1', '128.0.0.0/1'],
    ['2001:db8:1:2:3:4:5:6/32', '2001:db8::/32'],
    ['1::8/112', '1::/112'],
    ['::1/64', '::/64'],
    ['1:0:0:2::9/64', '1:0:0:2::/64'],
  ])('%s with bits after its prefix is refused, and %s proposed', (text, proposal) => {
    const read = parseCidr(text);
    expect('fault' in read ? read.fault : '').toContain(`write "${proposal}" for the block`);
    expect(parseCidr(proposal)).toEqual({ cidr: proposal });
  });

  test('proposes only blocks that it reads itself, whatever the address', () => {
    const address = fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes('%')),
    );
    fc.assert(
      fc.property(address, fc.nat(128), (text, length) => {
        const read = parseCidr(`${text}/${length}`);
        const proposal = 'fault' in read ? /write "([^"]+)" for the block/.exec(read.fault)?.[1] : undefined;
        if (proposal !== undefined) expect(parseCidr(proposal)).toEqual({ cidr: proposal });
      }),
    );
  });

  test('never makes the reader fail', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./,%]{0,60}$/)), (text) => {
        parseCidrList(text);
      }),
    );
  });
});
