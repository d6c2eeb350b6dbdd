import { fileURLToPath } from 'node:url';

import { inRedirectedNetwork } from '../dataplane/original-destination/redirected.fake.ts';

const CHILD = fileURLToPath(new URL('./redirected-workers.fake.ts', import.meta.url));

test('a worker learns from the kernel where a connection wanted to go that the primary accepted', () => {
  const output = inRedirectedNetwork(CHILD);
  const lines = output.trim().split('\n').sort();
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { worker: '1', address: '127.0.0.1', port: 80 },
    { worker: '1', address: '::1', port: 80 },
    { worker: '2', address: '127.0.0.1', port: 80 },
    { worker: '2', address: '::1', port: 80 },
  ]);
}, 90_000);
