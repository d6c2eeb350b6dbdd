import { readFileSync } from 'node:fs';

import { nodeOptions } from './mesh.ts';

test('the options are those of the image', () => {
  expect(nodeOptions(readFileSync('Dockerfile.sidecar', 'utf8'))).toContain('--tls-min-v1.3');
  expect(() => nodeOptions('FROM scratch')).toThrow('NODE_OPTIONS');
});
