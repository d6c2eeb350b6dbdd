import { readFileSync } from 'node:fs';

import { imageSettings } from './mesh.ts';

test('the settings are those of the image', () => {
  expect(imageSettings(readFileSync('Dockerfile.sidecar', 'utf8'))).toEqual({
    NODE_OPTIONS: expect.stringContaining('--tls-min-v1.3') as string,
    MALLOC_ARENA_MAX: '1',
  });
  expect(() => imageSettings('FROM scratch')).toThrow('sets no NODE_OPTIONS');
});
