import fc from 'fast-check';

import type { NamespaceName, ServiceName } from './names.ts';
import { localService, parseSpiffeId, serviceSpiffeId, trustDomain } from './spiffe-id.ts';
import type { SpiffeId } from './spiffe-id.ts';

const scope = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };
const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);

describe('a SPIFFE ID', () => {
  test.each([
    'spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
    'spiffe://partner.example/ns/x/sa/y',
    'spiffe://a/b',
    'spiffe://under_score.example/A/b.C-d_e',
  ])('%s is read as it is', (text) => {
    expect(parseSpiffeId(text)?.id).toBe(text);
  });

  test.each([
    '',
    'spiffe://',
    'spiffe:///a',
    'spiffe://td',
    'spiffe://td/',
    'spiffe://td/a/',
    'spiffe://td//a',
    'spiffe://td/a/../b',
    'spiffe://td/./a',
    'spiffe://td/..',
    'spiffe://td/a%2fb',
    'spiffe://td/we%62',
    'spiffe://td:443/a',
    'spiffe://user@td/a',
    'spiffe://td/a?q',
    'spiffe://td/a#f',
    'spiffe://TD/a',
    'SPIFFE://td/a',
    'spiffe://td/ä',
    'spiffe://td/a b',
    'spiffe://td/a\n',
    'spiffe://-td/a',
    'spiffe://td./a',
    'https://td/a',
    `spiffe://td/${'a'.repeat(2048)}`,
  ])('%j is refused', (text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });

  test('is refused or kept exactly, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string().map((tail) => `spiffe://td/${tail}`),
        ),
        (text) => {
          const read = parseSpiffeId(text);
          if (read) expect(`spiffe://${read.trustDomain}${read.path}`).toBe(text);
        },
      ),
    );
  });

  test('of a service leads back to that service and no other', () => {
    fc.assert(
      fc.property(label, label, (namespace, service) => {
        const who = { namespace: namespace as NamespaceName, service: service as ServiceName };
        const id = serviceSpiffeId(scope, who);
        expect(parseSpiffeId(id)?.id).toBe(id);
        expect(localService(scope, id)).toEqual(who);
        expect(localService({ ...scope, datacenter: 'dc2' }, id)).toBeUndefined();
        expect(localService({ ...scope, trustDomain: trustDomain('cluster.loca') }, id)).toBeUndefined();
      }),
    );
  });

  test.each([
    'spiffe://cluster.local/ns/shop/dc/dc1/svc/web/more',
    'spiffe://cluster.local/ns/shop/dc/dc1/sa/web',
    'spiffe://cluster.local/ns/shop/svc/web',
    'spiffe://cluster.local/ns/shop/dc/dc1/svc/WEB',
    'spiffe://cluster.local/ns/Shop/dc/dc1/svc/web',
    'spiffe://cluster.local/ap/default/ns/shop/dc/dc1/svc/web',
    'spiffe://cluster.local.evil/ns/shop/dc/dc1/svc/web',
    'spiffe://cluster/local/ns/shop/dc/dc1/svc/web',
    'spiffe://partner.example/ns/shop/dc/dc1/svc/web',
  ])('%s is not a service of this mesh', (text) => {
    expect(localService(scope, text as SpiffeId)).toBeUndefined();
  });
});

describe('a trust domain', () => {
  test.each(['cluster.local', 'a', '1.b', 'a-b_c.d'])('%s is read', (text) => {
    expect(trustDomain(text)).toBe(text);
  });

  test.each(['', 'A', '-a', 'a-', 'a/b', 'a:1', 'a b', 'a\n', 'a'.repeat(256)])(
    '%j is refused with advice',
    (text) => {
      expect(() => trustDomain(text)).toThrow('write a lower-case DNS name such as "cluster.local"');
    },
  );
});
