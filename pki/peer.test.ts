import { X509Certificate } from 'node:crypto';

import { peerSpiffeId } from './peer.ts';
import { TestPki } from './testing/test-pki.fake.ts';
import type { LeafBends } from './testing/test-pki.fake.ts';

const WEB = { namespace: 'shop', service: 'web' };

describe('the SPIFFE ID of a peer', () => {
  let pki: TestPki;
  beforeAll(async () => {
    pki = await TestPki.create();
  });

  async function of(bends: LeafBends): Promise<ReturnType<typeof peerSpiffeId>> {
    return peerSpiffeId(new X509Certificate((await pki.leaf(WEB, bends)).certChainPem));
  }

  test('is the one URI name of its certificate', async () => {
    expect(await of({})).toEqual({
      ok: true,
      id: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
      trustDomain: 'cluster.local',
      path: '/ns/shop/dc/dc1/svc/web',
    });
  });

  test('is read beside names of other kinds', async () => {
    expect(await of({ extraSans: [{ type: 'dns', value: 'web.shop.svc' }] })).toMatchObject({ ok: true });
  });

  test.each<[string, LeafBends, string]>([
    ['no name', { uri: null }, 'no subject alternative name'],
    ['no URI name', { uri: null, extraSans: [{ type: 'dns', value: 'spiffe' }] }, 'no URI name'],
    [
      'two URI names',
      { extraSans: [{ type: 'url', value: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/db' }] },
      '2 URI names',
    ],
    [
      'a second name hidden behind a comma',
      { uri: 'spiffe://cluster.local/x, URI:spiffe://cluster.local/y' },
      'characters',
    ],
    // As the X.509 library numbers them: keyCertSign or cRLSign besides digitalSignature.
    ['a key that may sign certificates', { keyUsage: 32 | 1 }, 'may sign certificates'],
    ['a key that may sign lists of certificates', { keyUsage: 64 | 1 }, 'may sign certificates'],
    ['a quote', { uri: 'spiffe://cluster.local/"x' }, 'characters'],
    [
      'a URI hidden in a DNS name',
      { uri: null, extraSans: [{ type: 'dns', value: 'a, URI:spiffe://cluster.local/x' }] },
      'characters',
    ],
    ['no path', { uri: 'spiffe://cluster.local' }, 'not a valid SPIFFE ID'],
    ['a slash at the end', { uri: 'spiffe://cluster.local/ns/' }, 'not a valid SPIFFE ID'],
    ['dots in the path', { uri: 'spiffe://cluster.local/ns/../x' }, 'not a valid SPIFFE ID'],
    ['another scheme', { uri: 'https://cluster.local/x' }, 'not a valid SPIFFE ID'],
    ['upper case in the trust domain', { uri: 'spiffe://Cluster.local/x' }, 'not a valid SPIFFE ID'],
    ['a port', { uri: 'spiffe://cluster.local:1/x' }, 'not a valid SPIFFE ID'],
    ['percent signs', { uri: 'spiffe://cluster.local/%78' }, 'not a valid SPIFFE ID'],
    ['leave to sign certificates', { ca: true }, 'of a CA'],
  ])('is refused with %s', async (_what, bends, message) => {
    const result = await of(bends);
    expect(result).toMatchObject({ ok: false });
    expect(result.ok ? '' : result.message).toContain(message);
  });
});
