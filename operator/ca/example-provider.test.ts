import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { docsBlocks } from './docs.fake.ts';
import { ExampleProvider, MemoryKeyHolder } from './example-provider.fake.ts';
import { TRUST_DOMAIN } from './certificate-requests.fake.ts';
import { describeProvider } from './provider-conformance.suite.ts';

describeProvider('the example of the documentation', async () => {
  const holder = new MemoryKeyHolder();
  return {
    provider: () => new ExampleProvider(holder, TRUST_DOMAIN),
    crossSigns: false,
    outage: () => void (holder.away = true),
    recover: () => void (holder.away = false),
    secrets: () => [holder.keyPem],
    logged: () => '',
  };
});

test('the documentation shows the example as it is tested', () => {
  const source = readFileSync(join(import.meta.dirname, 'example-provider.fake.ts'), 'utf8');
  const [shown = ''] = docsBlocks('ts');
  expect(shown.length).toBeGreaterThan(500);
  expect(source).toContain(shown.trimEnd());
});
