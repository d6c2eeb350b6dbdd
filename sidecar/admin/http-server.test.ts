import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { FakeClock } from '#base/testing/clock.fake.ts';

import { eventually, pause } from '#base/testing/eventually.ts';
import { HttpServer, text } from './http-server.ts';
import type { AdminRequest, AdminResponse, HttpServerOptions } from './http-server.ts';

let server: HttpServer;
let clock: FakeClock;
let asked: string[];
let sheds: string[];
const letGo: (() => void)[] = [];
const clients: Socket[] = [];

/** A server of which every path answers its own name, `/large` some megabytes, and `/slow` when it is let go. */
async function serve(options: Partial<HttpServerOptions> = {}): Promise<void> {
  clock = new FakeClock();
  asked = [];
  sheds = [];
  server = new HttpServer({
    hosts: ['127.0.0.1'],
    port: 0,
    route: (request) => answer(request),
    onShed: (phase, limit) => void sheds.push(`${phase} ${limit}`),
    clock,
    ...options,
  });
  await server.start();
}

async function answer(request: AdminRequest): Promise<AdminResponse> {
  const { path, method } = request;
  asked.push(`${method} ${path}`);
  if (path === '/large') return text('x'.repeat(LARGE_BYTES));
  if (path.startsWith('/slow')) await new Promise<void>((resolve) => letGo.push(resolve));
  return text(method === 'PUT' ? `body ${await request.body()}` : path);
}

afterEach(async () => {
  for (const go of letGo.splice(0)) go();
  for (const client of clients.splice(0)) client.destroy();
  await server.stop();
});

interface Client {
  readonly socket: Socket;
  heard: string;
  closed: boolean;
}

function open(words = '', localAddress = '127.0.0.1'): Client {
  const socket = connect({ port: server.port, host: '127.0.0.1', localAddress });
  const client: Client = { socket, heard: '', closed: false };
  socket.setEncoding('utf8').on('data', (chunk: string) => (client.heard += chunk));
  socket.on('error', () => undefined).on('close', () => (client.closed = true));
  if (words !== '') socket.write(words);
  clients.push(socket);
  return client;
}

const LARGE_BYTES = 16_000_000;
/** For what was sent to arrive. */
const ARRIVAL_MS = 100;
const get = (path: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
const bodyOf = ({ heard }: Client): string => heard.slice(heard.indexOf('\r\n\r\n') + 4);

test('a request is answered and its connection closed', async () => {
  await serve();
  const client = open(get('/one?x=1'));
  await eventually(() => client.closed);
  expect(client.heard).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(client.heard).toMatch(/connection: close\r\n/i);
  expect(bodyOf(client)).toBe('/one\n');
});

test('a request may come in pieces', async () => {
  await serve();
  const client = open('GET /pieces HT');
  await pause(ARRIVAL_MS);
  client.socket.write('TP/1.1\r\nHost: localhost\r\n\r');
  await pause(ARRIVAL_MS);
  client.socket.write('\n');
  await eventually(() => client.closed);
  expect(bodyOf(client)).toBe('/pieces\n');
});

test('HEAD gets the head alone, and a client that ends its side is answered all the same', async () => {
  await serve();
  const head = open(get('/x').replace('GET', 'HEAD'));
  const halfClosed = open();
  halfClosed.socket.end(get('/y'));
  await eventually(() => head.closed && halfClosed.closed);
  expect(bodyOf(head)).toBe('');
  expect(bodyOf(halfClosed)).toBe('/y\n');
});

test('of many requests on one connection the first is answered and no other is looked at', async () => {
  await serve();
  const client = open(get('/first') + get('/second').repeat(100));
  await eventually(() => client.closed);
  expect(asked).toEqual(['GET /first']);
  expect(bodyOf(client)).toBe('/first\n');
});

test('requests that follow while the first is worked on are not looked at either', async () => {
  await serve();
  const client = open(get('/slow'));
  await eventually(() => letGo.length === 1);
  client.socket.write(get('/second').repeat(1_000));
  await pause(ARRIVAL_MS);
  letGo.pop()?.();
  await eventually(() => client.closed);
  expect(asked).toEqual(['GET /slow']);
});

test('a body behind a request is dropped', async () => {
  await serve();
  const client = open(`${get('/x', 'Content-Length: 1000000\r\n')}${'x'.repeat(5_000)}`);
  await eventually(() => client.closed);
  expect(bodyOf(client)).toBe('/x\n');
});

test.each([
  ['an expectation that is not known', get('/x', 'Expect: something\r\n')],
  ['an expectation to go on', get('/x', 'Expect: 100-continue\r\nContent-Length: 10\r\n')],
  ['a wish for another protocol', get('/x', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')],
  ['a wish to be kept', get('/x', 'Connection: keep-alive\r\nKeep-Alive: timeout=1000\r\n')],
  ['a body in chunks that never ends', get('/x', 'Transfer-Encoding: chunked\r\n') + '5\r\nhello\r\n'],
])('a request with %s is answered once, and its connection closed', async (_what, words) => {
  await serve();
  const client = open(words);
  await eventually(() => client.closed);
  expect(asked).toEqual(['GET /x']);
  expect(bodyOf(client)).toContain('/x\n');
});

test('requests whose lines end in line feeds alone are no way to ask more than once', async () => {
  await serve();
  const client = open(`${get('/x').replaceAll('\r', '').repeat(50)}\r\n\r\n`);
  await eventually(() => client.closed);
  expect(asked.length).toBeLessThan(2);
});

test.each([
  ['is not HTTP', '\u0016\u0003\u0001'],
  ['has a head that is too long', get('/x', `X: ${'x'.repeat(20_000)}\r\n`)],
  ['is broken', 'GET\r\n\r\n'],
  ['asks for a tunnel', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n'],
])('what %s is closed', async (_what, words) => {
  await serve();
  const client = open(words);
  await eventually(() => client.closed);
  expect(asked).toEqual([]);
});

test('a request that is not whole in time is closed', async () => {
  await serve();
  const client = open('GET /x HTTP/1.1\r\n');
  await pause(ARRIVAL_MS);
  await clock.advance(5_001);
  await eventually(() => client.closed);
  expect(asked).toEqual([]);
});

test('a request that Node waits for more of, such as the preface of HTTP/2, is closed in time', async () => {
  await serve();
  const client = open('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await pause(ARRIVAL_MS);
  await clock.advance(10_001);
  await eventually(() => client.closed);
  expect(asked).toEqual([]);
});

test('an answer that is not taken in time is given up', async () => {
  await serve();
  const client = open();
  client.socket.pause();
  client.socket.write(get('/large'));
  await eventually(() => asked.length === 1);
  await pause(ARRIVAL_MS);
  await clock.advance(5_001);
  client.socket.resume();
  await eventually(() => client.closed);
  expect(client.heard.length).toBeLessThan(LARGE_BYTES);
});

test('a route may take longer than a client', async () => {
  await serve();
  const client = open(get('/slow'));
  await eventually(() => letGo.length === 1);
  await clock.advance(600_000);
  letGo.pop()?.();
  await eventually(() => client.closed);
  expect(bodyOf(client)).toBe('/slow\n');
});

test.each([
  ['one address', () => '127.0.0.2', 256],
  ['an address each', (index: number) => `127.1.${index % 4}.${1 + (index >> 2)}`, 512],
] as const)('half-sent requests from %s make room for one that is whole', async (_what, from, max) => {
  await serve();
  const strangers = Array.from({ length: 700 }, (_, index) => open('GET /half HTTP/1.1\r\n', from(index)));
  await eventually(() => strangers.filter(({ closed }) => closed).length === 700 - max);
  const client = open(get('/whole'));
  await eventually(() => client.closed);
  expect(bodyOf(client)).toBe('/whole\n');
  expect(strangers.slice(-20).filter(({ closed }) => closed)).toEqual([]);
  expect(new Set(sheds)).toEqual(new Set([max === 256 ? 'request address' : 'request total']));
});

test('requests that wait for their answer displace one another, and none to a path that only the kubelet knows', async () => {
  await serve({ isPrivileged: (path) => path === '/slow-probe' });
  const kubelet = open(get('/slow-probe'), '127.0.0.9');
  await eventually(() => letGo.length === 1);
  const strangers = Array.from({ length: 150 }, (_, index) => open(get('/slow'), `127.0.1.${1 + index}`));
  await eventually(() => strangers.filter(({ closed }) => closed).length >= 86);
  expect(kubelet.closed).toBe(false);
  letGo[0]?.();
  await eventually(() => kubelet.closed);
  expect(bodyOf(kubelet)).toBe('/slow-probe\n');
  expect(new Set(sheds)).toEqual(new Set(['response total']));
});

test('whoever asked for a path that only the kubelet knows may be slow, and is displaced for no stranger', async () => {
  await serve({ isPrivileged: (path) => path === '/probe' });
  const first = open(get('/probe'), '127.0.0.9');
  await eventually(() => first.closed);
  const slow = open('GET /pro', '127.0.0.9');
  await pause(ARRIVAL_MS);
  const strangers = Array.from({ length: 700 }, (_, index) =>
    open('', `127.1.${index % 4}.${1 + (index >> 2)}`),
  );
  await eventually(() => strangers.filter(({ closed }) => closed).length === 189);
  slow.socket.write('be HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await eventually(() => slow.closed);
  expect(bodyOf(slow)).toBe('/probe\n');
});

test('a local port reads bodies, of a bounded size and in a bounded time', async () => {
  await serve({ takesBodies: true });
  const put = (length: number, body: string) =>
    open(`PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${body}`);
  const whole = put(5, 'hello');
  const large = put(9_000, 'x'.repeat(9_000));
  const stalled = put(100, 'part');
  await eventually(() => whole.closed && large.closed && asked.length === 3);
  expect(bodyOf(whole)).toBe('body hello\n');
  expect(large.heard).toMatch(/^HTTP\/1\.1 413 /);
  await pause(ARRIVAL_MS);
  await clock.advance(5_001);
  await eventually(() => stalled.closed);
});

test('stopping ends connections that are open', async () => {
  await serve();
  const [half, waiting] = [open('GET /x HTTP/1.1\r\n'), open(get('/slow'))];
  await eventually(() => letGo.length === 1);
  await server.stop();
  await eventually(() => half.closed && waiting.closed);
});
