import { request } from 'node:http';

import { HttpServer, text } from './http-server.ts';
import { localRequestFault, localHostFault } from './local-request.ts';

/** The local port listens on loopback, where a web page in a browser and an application that is made to fetch an address are as well. */

let served: string[];
let server: HttpServer;
beforeEach(async () => {
  served = [];
  server = new HttpServer({
    hosts: ['127.0.0.1'],
    port: 0,
    guard: localRequestFault,
    route: ({ method, path }) => {
      served.push(`${method} ${path}`);
      return text('done');
    },
  });
  await server.start();
});
afterEach(() => server.stop());

function ask(
  path: string,
  method: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; allowed: boolean }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: server.port, path, method, agent: false, headers }, (response) => {
      const allowed = Object.keys(response.headers).some((name) => name.startsWith('access-control-'));
      response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, allowed }));
    })
      .on('error', reject)
      .end();
  });
}

const MESH = { 'x-mesh-request': 'true' };

describe.each(['POST /quit', 'PUT /log-level', 'GET /config', 'GET /connections', 'GET /'])('%s', (what) => {
  const [method = '', path = ''] = what.split(' ');

  test.each<[string, Readonly<Record<string, string>>]>([
    ['localhost', { ...MESH, host: 'localhost:15000' }],
    ['127.0.0.1', { ...MESH, host: '127.0.0.1' }],
    ['::1', { ...MESH, host: '[::1]:15000' }],
  ])('is served to a tool that asks %s and says so', async (_host, headers) => {
    expect(await ask(path, method, headers)).toEqual({ status: 200, allowed: false });
    expect(served).toEqual([what]);
  });

  test.each<[string, Readonly<Record<string, string>>]>([
    ['a form of another site', { origin: 'https://evil.example', 'content-type': 'text/plain' }],
    ['a form of a page without an origin', { origin: 'null' }],
    ['a script of another site', { ...MESH, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['an image of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
    ['a page whose name leads here by now', { ...MESH, host: 'evil.example:15000' }],
    ['a page whose name leads here by now and looks like it', { ...MESH, host: 'localhost.evil.example' }],
    ['a page whose name ends like an address of this machine', { ...MESH, host: '127.0.0.1.evil.example' }],
    ['an application that is made to fetch it', {}],
    ['an application that is made to fetch it, with a header that says no', { 'x-mesh-request': 'false' }],
    ['a browser in which somebody typed it', { ...MESH, 'sec-fetch-site': 'none' }],
  ])('is refused to %s', async (_who, headers) => {
    expect(await ask(path, method, headers)).toEqual({ status: 403, allowed: false });
    expect(served).toEqual([]);
  });
});

test('a browser that asks whether it may send the header is told nothing of the kind', async () => {
  const headers = {
    origin: 'https://evil.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'x-mesh-request',
  };
  expect(await ask('/quit', 'OPTIONS', headers)).toEqual({ status: 403, allowed: false });
});

test('where only the name matters, no header is asked for', () => {
  expect(localHostFault({ host: 'localhost:8080' })).toBeUndefined();
  expect(localHostFault({ host: 'evil.example' })).toContain('localhost');
  expect(localHostFault({})).toContain('localhost');
});
