import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import type { BundleEndpoint } from '#core/model/federation.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { systemClock } from '#base/clock.ts';
import { eventually } from '#base/testing/eventually.ts';
import { readCertificates } from '#pki/pem.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { httpsBundleSource } from './bundle-source.ts';

/** As the X.509 library numbers them. */
const DIGITAL_SIGNATURE = 1;
const KEY_CERT_SIGN = 32;
const SERVER = { namespace: 'spire', service: 'server' };

let pki: TestPki;
let other: TestPki;
let servers: Server[];
beforeAll(async () => {
  pki = await TestPki.create({ trustDomain: 'partner.example' });
  other = await pki.foreign();
});
beforeEach(() => {
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
});

/** A bundle endpoint. @returns its address */
async function serve(
  shown: { readonly certChainPem: string; readonly keyPem: string },
  answer: RequestListener = (_request, response) => response.end('{"keys":[]}'),
): Promise<string> {
  const server = createServer({ cert: shown.certChainPem, key: shown.keyPem }, answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `https://localhost:${(server.address() as AddressInfo).port}/bundle?of=us`;
}

const signal = new AbortController().signal;
const fetchFrom = (endpoint: BundleEndpoint, trusted: TestPki = pki) =>
  httpsBundleSource(systemClock)(endpoint, readCertificates(trusted.rootPem), signal);

describe('an endpoint of https_web', () => {
  const web = (url: string, by: TestPki = pki): BundleEndpoint => ({
    url,
    profile: 'https_web',
    caCertificate: by.rootPem,
  });

  test('is asked for exactly what is written, and for nothing with a secret in it', async () => {
    const seen: unknown[] = [];
    const url = await serve(await pki.serving(['localhost']), ({ url: path, method, headers }, response) => {
      seen.push({ path, method, headers: Object.keys(headers).sort() });
      response.end('{"keys":[]}');
    });
    expect(await fetchFrom(web(url))).toBe('{"keys":[]}');
    expect(seen).toEqual([
      { path: '/bundle?of=us', method: 'GET', headers: ['accept', 'connection', 'host', 'user-agent'] },
    ]);
  });

  test('is not trusted when another authority vouches for it, when nobody does, or for another name', async () => {
    const url = await serve(await pki.serving(['localhost']));
    await expect(fetchFrom(web(url, other))).rejects.toThrow('the endpoint cannot be read: ');
    await expect(fetchFrom({ url, profile: 'https_web' })).rejects.toThrow('certificate');
    const elsewhere = await serve(await pki.serving(['other.test']));
    await expect(fetchFrom(web(elsewhere))).rejects.toThrow("does not match certificate's altnames");
  });

  test.each<[string, RequestListener, string]>([
    ['another status', (_request, response) => response.writeHead(404).end(), 'it answers with status 404'],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'https://elsewhere.test/' }).end(),
      'it answers with a redirect to "https://elsewhere.test/", which is not followed',
    ],
    [
      'more than a bundle',
      (_request, response) => response.end('x'.repeat(300_000)),
      'longer than 262144 bytes',
    ],
    [
      'half of what it promised',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{');
        setTimeout(() => response.destroy(), 20);
      },
      'aborted',
    ],
  ])('that answers with %s is told of', async (_what, answer, message) => {
    const url = await serve(await pki.serving(['localhost']), answer);
    await expect(fetchFrom(web(url))).rejects.toThrow(message);
  });

  test('that says nothing is given up after ten seconds', async () => {
    const clock = new FakeClock();
    let arrived = false;
    const url = await serve(await pki.serving(['localhost']), () => (arrived = true));
    const fetched = httpsBundleSource(clock)(web(url), [], signal);
    const told = expect(fetched).rejects.toThrow('the endpoint cannot be read: no answer within 10 s');
    await eventually(() => arrived);
    await clock.advance(10_000);
    await told;
  });
});

describe('an endpoint of https_spiffe', () => {
  const spiffe = (url: string): BundleEndpoint => ({
    url,
    profile: 'https_spiffe',
    endpointSpiffeId: pki.spiffeId(SERVER),
  });

  test('is trusted by its identity, whatever its host is called', async () => {
    const url = await serve(await pki.svid(SERVER));
    expect(await fetchFrom(spiffe(url))).toBe('{"keys":[]}');
    const named = await serve(await pki.leaf(SERVER, { extraSans: [{ type: 'dns', value: 'other.test' }] }));
    expect(await fetchFrom(spiffe(named))).toBe('{"keys":[]}');
  });

  test('is trusted through an intermediate', async () => {
    const url = await serve(await (await pki.withIntermediate()).svid(SERVER));
    expect(await fetchFrom(spiffe(url))).toBe('{"keys":[]}');
  });

  test.each<[string, () => Promise<{ certChainPem: string; keyPem: string }>, string]>([
    ['of another authority', () => other.svid(SERVER), 'certificate'],
    [
      'of another workload',
      () => pki.svid({ ...SERVER, service: 'web' }),
      'instead of "spiffe://partner.example/ns/spire/dc/dc1/svc/server"',
    ],
    ['with no identity', () => pki.serving(['localhost']), 'is not a valid X.509-SVID: it has no URI name'],
    [
      'with two identities',
      () => pki.leaf(SERVER, { extraSans: [{ type: 'url', value: 'spiffe://partner.example/x' }] }),
      'is not a valid X.509-SVID: it has 2 URI names',
    ],
    [
      'that has ended',
      () => pki.leaf(SERVER, { notBefore: Date.now() - 20_000, notAfter: Date.now() - 10_000 }),
      'expired',
    ],
    ['for clients only', () => pki.leaf(SERVER, { eku: ['clientAuth'] }), 'purpose'],
    [
      'that may sign others',
      () => pki.leaf(SERVER, { keyUsage: KEY_CERT_SIGN | DIGITAL_SIGNATURE }),
      'its key may sign certificates',
    ],
  ])('is not trusted with a certificate %s', async (_what, shown, message) => {
    const url = await serve(await shown());
    await expect(fetchFrom(spiffe(url))).rejects.toThrow(message);
  });
});
