import { fileURLToPath } from 'node:url';

import { inRedirectedNetwork } from './redirected.fake.ts';

const CHILD = fileURLToPath(new URL('./redirected-child.fake.ts', import.meta.url));

test('the kernel tells the original destination, IPv4 and IPv6, and the own address where nothing was redirected', () => {
  const output = inRedirectedNetwork(CHILD);
  expect(JSON.parse(output)).toEqual([
    { address: '127.0.0.1', port: 80 },
    { address: '::1', port: 80 },
    { address: '127.0.0.1', port: 15001 },
  ]);
}, 90_000);
