import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';

import { currentDigest } from './registry.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = '{"schemaVersion":2,"manifests":[]}';
const DIGEST = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`;

let server: Server | undefined;
afterEach(() => void server?.close());

async function registry(answer: (request: IncomingMessage, response: ServerResponse, url: string) => void) {
  let url = '';
  server = createServer((request, response) => {
    answer(request, response, url);
    response.end();
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { registry: url, repository: 'library/node', tag: '24' };
}

test('the digest of a tag is that of the index, with the token that the registry asks for', async () => {
  const asked: string[] = [];
  const tag = await registry((request, response, url) => {
    asked.push(`${request.url ?? ''} ${request.headers.authorization ?? ''}`);
    if (request.url?.startsWith('/token')) return void response.write('{"token":"abc"}');
    if (request.headers.authorization !== 'Bearer abc') {
      const scope = 'repository:library/node:pull';
      const challenge = `Bearer realm="${url}/token",service="r",scope="${scope}"`;
      return void response.writeHead(401, { 'www-authenticate': challenge });
    }
    response.writeHead(200, { 'content-type': INDEX, 'docker-content-digest': DIGEST });
    return void response.write(MANIFEST);
  });
  expect(await currentDigest(tag)).toBe(DIGEST);
  expect(asked[1]).toContain('/token?service=r&scope=repository%3Alibrary%2Fnode%3Apull');
});

test.each<[string, number, Record<string, string>, string]>([
  [
    'another digest than it sends',
    200,
    { 'content-type': INDEX, 'docker-content-digest': `sha256:${'0'.repeat(64)}` },
    'names the digest',
  ],
  [
    'an image for one kind of machine',
    200,
    { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    'expected an index',
  ],
  ['an error', 429, { 'content-type': INDEX }, 'answered 429'],
  ['a challenge that is not known', 401, { 'www-authenticate': 'Basic realm="x"' }, 'asks for credentials'],
])('a registry that answers with %s is refused', async (_what, status, headers, message) => {
  const tag = await registry((_request, response) => {
    response.writeHead(status, headers);
    response.write(MANIFEST);
  });
  await expect(currentDigest(tag)).rejects.toThrow(message);
});
