import { jest } from '@jest/globals';

import type { Pod, TokenReview } from '#kube/types.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import { OpenSsl } from '#pki/testing/openssl.fake.ts';
import { pemBlock, toPem } from '#pki/pem.ts';

import { memberSpec } from '../resources/member.fake.ts';
import { boundToken, SigningWorld, WEB_ADDRESS } from './signing-world.fake.ts';
import type { Attempt, KnownToken } from './signing-world.fake.ts';
import { answer } from './refusal.ts';
import type { Reason } from './refusal.ts';

// Some cases start programs, on machines that may be busy.
jest.setTimeout(60_000);

const WEB = 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web';
const DB = 'spiffe://cluster.local/ns/shop/dc/dc1/svc/db';

interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

let world: SigningWorld;
beforeEach(async () => {
  world = await SigningWorld.create();
});

/** What must be done to the world, the attempt, the status and the exact reason. */
type Case = [string, number, Reason, (world: SigningWorld) => Attempt | Promise<Attempt>];

const withToken =
  (token: KnownToken): Case[3] =>
  (w) => {
    w.tokens.set('other-token', token);
    return { token: 'other-token' };
  };
const withPod =
  (bend: (pod: Pod) => Pod): Case[3] =>
  (w) => {
    w.putPod('web-1', 'web-uid', { service: 'web', serviceAccount: 'web', bend });
    return {};
  };

describe('impersonation fails', () => {
  const openssl = new OpenSsl();
  afterAll(() => openssl.remove());
  const request =
    (...options: string[]): Case[3] =>
    () => ({ csr: openssl.request(options) });

  const cases: Case[] = [
    // Who asks.
    [
      'a pod of ServiceAccount web that was labelled db',
      403,
      'service-account-not-allowed',
      (w) => {
        w.putPod('web-1', 'web-uid', { service: 'db', serviceAccount: 'web' });
        return {};
      },
    ],
    [
      'a pod of ServiceAccount web that was labelled db and asks for db by name',
      403,
      'service-account-not-allowed',
      async (w) => {
        w.putPod('web-1', 'web-uid', { service: 'db', serviceAccount: 'web' });
        return { service: 'db', csr: createCsr(await generateKeys(), DB) };
      },
    ],
    ['a pod of service web that asks for db', 403, 'service-mismatch', () => ({ service: 'db' })],
    [
      'a ServiceAccount of the same name in another namespace',
      403,
      'service-account-not-allowed',
      (w) => {
        w.store.put('meshservices', {
          metadata: { name: 'web', namespace: 'other' },
          spec: { serviceAccounts: ['web'] },
        });
        w.store.put('meshservices', {
          metadata: { name: 'web', namespace: 'shop' },
          spec: { serviceAccounts: ['other'] },
        });
        return {};
      },
    ],
    [
      'a pod of the mesh namespace that wants to be the operator',
      403,
      'service-reserved',
      (w) => {
        w.store.put('pods', {
          metadata: {
            name: 'x',
            namespace: 'mesh',
            uid: 'x',
            labels: { 'mesh.dev/service': 'mesh-operator', 'mesh.dev/injected': 'native' },
          },
          spec: memberSpec('mesh-operator', 'x'),
          status: { phase: 'Running', podIP: WEB_ADDRESS },
        });
        w.putService('mesh-operator', ['x'], 'mesh');
        w.tokens.set('x', { ...boundToken('x', 'x', 'x'), username: 'system:serviceaccount:mesh:x' });
        return { token: 'x' };
      },
    ],
    // The token.
    ['no token', 401, 'token-missing', () => ({ authorization: '' })],
    ['another kind of credentials', 401, 'token-missing', () => ({ authorization: 'Basic d2ViOndlYg==' })],
    [
      'a token with a line break',
      401,
      'token-missing',
      () => ({ authorization: 'Bearer web-token\nX-Other: 1' }),
    ],
    ['a token of 20,000 characters', 401, 'token-missing', () => ({ token: 'a'.repeat(20_000) })],
    ['a token nobody knows', 401, 'token-rejected', () => ({ token: 'forged' })],
    [
      'a token of the wrong audience',
      401,
      'token-rejected',
      withToken({ ...boundToken('web', 'web-1', 'web-uid'), audiences: ['https://kubernetes.default.svc'] }),
    ],
    [
      'a token of the audience of another mesh',
      401,
      'token-rejected',
      withToken({ ...boundToken('web', 'web-1', 'web-uid'), audiences: ['mesh-ca.other.example'] }),
    ],
    [
      'an authenticator that does not know audiences',
      401,
      'token-audience',
      (w) => {
        w.store.answers.set('tokenreviews', (review) => ({
          ...(review as TokenReview),
          status: {
            authenticated: true,
            user: { username: 'system:serviceaccount:shop:web', groups: ['system:serviceaccounts'] },
          },
        }));
        return {};
      },
    ],
    ['an unbound token', 403, 'token-unbound', withToken({ username: 'system:serviceaccount:shop:web' })],
    [
      'a token bound to a Secret instead of a pod',
      403,
      'token-unbound',
      withToken({
        username: 'system:serviceaccount:shop:web',
        extra: { 'authentication.kubernetes.io/secret-name': ['s'] },
      }),
    ],
    [
      'a token with two pod UIDs',
      403,
      'token-unbound',
      withToken({
        username: 'system:serviceaccount:shop:web',
        extra: {
          'authentication.kubernetes.io/pod-name': ['web-1'],
          'authentication.kubernetes.io/pod-uid': ['web-uid', 'db-uid'],
        },
      }),
    ],
    [
      'a person',
      403,
      'token-not-service-account',
      withToken({
        ...boundToken('web', 'web-1', 'web-uid'),
        username: 'kubernetes-admin',
        groups: ['system:masters'],
      }),
    ],
    [
      'a person who is called like a ServiceAccount',
      403,
      'token-not-service-account',
      withToken({ ...boundToken('web', 'web-1', 'web-uid'), groups: ['system:authenticated'] }),
    ],
    // The pod.
    [
      'a token of a deleted pod',
      403,
      'pod-gone',
      (w) => {
        w.store.remove('pods', 'shop/web-1');
        return {};
      },
    ],
    [
      'a token of a deleted pod whose name another pod has now',
      403,
      'pod-uid',
      (w) => {
        w.putPod('web-1', 'newer-uid', { service: 'web', serviceAccount: 'web' });
        return {};
      },
    ],
    [
      'a pod of another ServiceAccount than the token',
      403,
      'pod-service-account',
      withPod((pod) => ({ ...pod, spec: memberSpec('web', 'other') })),
    ],
    [
      'a pod that has succeeded',
      403,
      'pod-ended',
      withPod((pod) => ({ ...pod, status: { ...pod.status, phase: 'Succeeded' } })),
    ],
    [
      'a pod that has failed',
      403,
      'pod-ended',
      withPod((pod) => ({ ...pod, status: { ...pod.status, phase: 'Failed' } })),
    ],
    [
      'a pod that was not injected',
      403,
      'pod-not-injected',
      withPod((pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { 'mesh.dev/service': 'web' } } })),
    ],
    [
      'a pod without a service',
      403,
      'service-unnamed',
      withPod((pod) => ({
        ...pod,
        metadata: { ...pod.metadata, labels: { 'mesh.dev/injected': 'native' } },
      })),
    ],
    ['a stolen token, used from another pod', 403, 'source-address', () => ({ sourceAddress: '10.1.0.8' })],
    // The request.
    [
      'a CSR that asks for another name',
      403,
      'csr-other-identity',
      async () => ({ csr: createCsr(await generateKeys(), DB) }),
    ],
    [
      'a CSR that asks for its name in another trust domain',
      403,
      'csr-other-identity',
      async () => ({ csr: createCsr(await generateKeys(), WEB.replace('cluster.local', 'other.example')) }),
    ],
    ['a CSR whose subject is another name', 403, 'csr-other-identity', request('-subj', '/CN=db')],
    [
      'a CSR that asks for a CA flag',
      400,
      'csr-ca',
      request('-subj', '/', '-addext', 'basicConstraints=critical,CA:TRUE'),
    ],
    [
      'a CSR that asks for extra names',
      400,
      'csr-name',
      request('-subj', '/', '-addext', `subjectAltName=URI:${WEB},DNS:db.shop.svc`),
    ],
    [
      'a CSR that asks for a second identity',
      400,
      'csr-name',
      request('-subj', '/', '-addext', `subjectAltName=URI:${WEB},URI:${DB}`),
    ],
    [
      'a CSR with a weak key',
      400,
      'csr-key',
      () => ({
        csr: openssl.request(['-subj', '/'], ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024']),
      }),
    ],
    [
      'a CSR with bytes after its end',
      400,
      'csr-trailing-bytes',
      async () => {
        const der = pemBlock('CERTIFICATE REQUEST', createCsr(await generateKeys(), WEB));
        return { csr: toPem('CERTIFICATE REQUEST', Buffer.concat([der, Buffer.alloc(4)])) };
      },
    ],
    [
      "a CSR with somebody else's key",
      400,
      'csr-signature',
      async () => {
        const [der, other] = await Promise.all([generateKeys(), generateKeys()]);
        const request1 = pemBlock('CERTIFICATE REQUEST', createCsr(der, WEB)).toString('latin1');
        const swapped = request1.replace(
          spkiDer(der.publicKey).toString('latin1'),
          spkiDer(other.publicKey).toString('latin1'),
        );
        return { csr: toPem('CERTIFICATE REQUEST', Buffer.from(swapped, 'latin1')) };
      },
    ],
    ['a CSR that is none', 400, 'csr-unreadable', () => ({ csr: 'hello' })],
    [
      'a CSR of 1 MB',
      413,
      'body-too-large',
      () => ({ csr: toPem('CERTIFICATE REQUEST', Buffer.alloc(750_000)) }),
    ],
    // The body.
    ['an empty body', 400, 'body-malformed', () => ({ body: '' })],
    ['a body that is not JSON', 400, 'body-malformed', () => ({ body: '{' })],
    [
      'a body that is not UTF-8',
      400,
      'body-malformed',
      () => ({ body: Buffer.from([0x22, 0xff, 0xfe, 0x22]) }),
    ],
    ['a body that is a list', 400, 'body-malformed', () => ({ body: '[]' })],
    ['a body without a CSR', 400, 'body-malformed', () => ({ body: '{"service":"web"}' })],
    [
      'a body with a field too many',
      400,
      'body-malformed',
      () => ({ body: '{"csr":"x","spiffeId":"spiffe://x/y"}' }),
    ],
    ['a service that is not a valid name', 400, 'body-malformed', () => ({ service: 'DB' })],
    ['a service of several lines', 400, 'body-malformed', () => ({ service: 'web\n"x"' })],
  ];

  test.each(cases)('%s: %i, %s', async (_what, status, reason, prepare) => {
    const attempt = await prepare(world);
    const response = await world.ask(attempt);
    expect({ status: response.status, reason: world.lastReason }).toEqual({ status, reason });
    // The answer is what its kind of reason always gets, and the log leads there.
    const requestId = world.log.lines.findLast(({ fields }) => 'reason' in fields)?.fields[
      'requestId'
    ] as string;
    expect(response.body).toEqual(answer({ reason, message: '' }, requestId).body);
    expect(JSON.stringify(response)).not.toContain('CERTIFICATE-----');
    const counted = await world.metrics.metrics.signingRequests.get();
    expect(counted.values).toMatchObject([{ labels: { result: 'refused', reason }, value: 1 }]);
    expect(world.log.lines.some(({ message }) => message === 'certificate issued')).toBe(false);
  });

  test('tells the pod why in an Event, where its people look; strangers cause none', async () => {
    world.putPod('web-1', 'web-uid', { service: 'db', serviceAccount: 'web' });
    await world.ask();
    expect(world.events.told).toMatchObject([{ type: 'Warning', reason: 'CertificateRefused' }]);
    expect(world.events.told[0]?.message).toContain(
      'ServiceAccount shop/web may not be service db: MeshService shop/db allows [db]',
    );
    await world.ask({ token: 'forged' });
    await world.ask({ sourceAddress: '10.1.0.8' });
    expect(world.events.told).toHaveLength(1);
  });

  test('gives away nothing: whatever is forbidden gets the same answer', async () => {
    const seen = new Set<string>();
    for (const attempt of [
      { service: 'db' },
      { sourceAddress: '10.1.0.8' },
      { csr: createCsr(await generateKeys(), DB) },
    ]) {
      const { status, headers, body } = await world.ask(attempt);
      const { code, message } = (body as ErrorBody).error;
      seen.add(
        JSON.stringify({ status, headers, code, message: message.replace(/request [0-9a-f]+/, 'request X') }),
      );
    }
    expect(seen.size).toBe(1);
  });

  test('reads no request of a stranger, and asks the API server nothing about malformed ones', async () => {
    await world.ask({ token: 'forged', csr: 'hello' });
    expect(world.lastReason).toBe('token-rejected');
    world.store.calls.length = 0;
    await world.ask({ body: '{' });
    await world.ask({ authorization: 'x' });
    expect(world.store.calls).toEqual([]);
  });
});
