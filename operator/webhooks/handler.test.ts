import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { BodyBudget } from '../server/body-budget.ts';
import { LARGE_BYTES, webhookHandler } from './handler.ts';

const PATH = '/secret/validate';
const MAX_BYTES = 1024 * 1024;

let server: Server;
let port: number;
let small: BodyBudget;
let large: BodyBudget;
let answered: string[];
let counts: string[];
beforeEach(async () => {
  small = new BodyBudget({ total: 1_000, perNetwork: 1_000 });
  large = new BodyBudget({ total: MAX_BYTES, perNetwork: MAX_BYTES });
  [answered, counts] = [[], []];
  const handler = webhookHandler({
    paths: { endpoint: (url) => (url === PATH ? 'validate' : undefined) },
    answer: (endpoint, body) => {
      answered.push(`${endpoint} ${Buffer.from(body).toString()}`);
      return Promise.resolve({ status: 200, json: { used: small.used + large.used } });
    },
    maxBytes: MAX_BYTES,
    budgets: { small, large },
    counted: (endpoint, status) => counts.push(`${endpoint} ${status}`),
    refused: (reason) => counts.push(reason),
  });
  server = createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** @param body sent; more may be announced by its length */
async function post(
  path: string,
  body: string,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  return new Promise((resolve, reject) => {
    const isChunked = headers['transfer-encoding'] !== undefined;
    const sent: Record<string, string> = {
      'content-type': 'application/json',
      ...(isChunked ? {} : { 'content-length': String(body.length) }),
      ...headers,
    };
    const request = httpRequest({ port, path, method, agent: false, headers: sent }, (response) => {
      text(response).then(
        (said) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: said }),
        reject,
      );
    });
    request.on('error', reject);
    request.write(body);
    if (isChunked || Number(sent['content-length']) === body.length) request.end();
  });
}

test('a review at a registered path is answered, and its memory is given back', async () => {
  expect(await post(PATH, '{}')).toMatchObject({ status: 200, body: '{"used":2}' });
  expect([answered, counts, small.used]).toEqual([['validate {}'], ['validate 200'], 0]);
});

test.each(['/validate', '/inject', '/secret', '/secret/validate/', '/'])(
  'at another path, %s, the answer is 404 before the body is there, and nothing is read or parsed',
  async (path) => {
    const answer = await post(path, '{', { 'content-length': '7000000' });
    expect(answer).toMatchObject({ status: 404, body: '{"error":"there is nothing here"}' });
    expect(answer.headers.connection).toBe('close');
    expect([answered, counts]).toEqual([[], ['other 404']]);
  },
);

test.each<[string, Record<string, string>, number, string | undefined]>([
  ['is longer than any review', { 'content-length': String(MAX_BYTES + 1) }, 413, 'too-large'],
  ['has no length', { 'transfer-encoding': 'chunked' }, 411, 'length-required'],
  ['is compressed', { 'content-encoding': 'gzip' }, 415, undefined],
  ['is not JSON', { 'content-type': 'text/plain' }, 415, undefined],
])('a body that %s is refused before it is read', async (_what, headers, status, reason) => {
  expect(await post(PATH, '{}', headers)).toMatchObject({ status });
  expect(answered).toEqual([]);
  expect(counts).toEqual([...(reason === undefined ? [] : [reason]), `validate ${status}`]);
});

test('another method than POST is refused', async () => {
  const answer = await post(PATH, '', {}, 'GET');
  expect([answer.status, answer.headers.allow]).toEqual([405, 'POST']);
});

test('a body for which there is no room is refused with when to try again, and counted', async () => {
  const others = small.reserve({ network: 'another', bytes: 1_000 }, () => undefined);
  others?.complete();
  const answer = await post(PATH, '{}');
  expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  expect(counts).toEqual(['no-room', 'validate 503']);
  others?.release();
  expect((await post(PATH, '{}')).status).toBe(200);
});

test('large bodies take no room from small ones', async () => {
  large.reserve({ network: 'another', bytes: MAX_BYTES }, () => undefined)?.complete();
  const big = await post(PATH, ' '.repeat(LARGE_BYTES + 1));
  expect([big.status, (await post(PATH, '{}')).status]).toEqual([503, 200]);
});

test('an unfinished body makes room for a newer one, and its sender is asked to send it again', async () => {
  const unfinished = post(PATH, '{', { 'content-length': '1000' });
  while (small.used === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  expect((await post(PATH, '{}')).status).toBe(200);
  expect(await unfinished).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
});
