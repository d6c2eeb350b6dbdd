import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { CA_PROVIDERS } from '#core/model/ca-providers.ts';
import { CA_KEY_TYPES } from '#core/model/ca-settings.ts';

import { CHART } from './render.ts';

interface CaSchema {
  readonly provider: { readonly enum: readonly string[] };
  readonly keyType: { readonly enum: readonly string[] };
}

test('the chart’s values offer the authorities and kinds of key that the operator knows, and no other', () => {
  const text = readFileSync(join(CHART, 'values.schema.json'), 'utf8');
  const { properties } = JSON.parse(text) as {
    properties: { mesh: { properties: { ca: { properties: CaSchema } } } };
  };
  const { provider, keyType } = properties.mesh.properties.ca.properties;
  expect([...provider.enum].sort()).toEqual([...CA_PROVIDERS].sort());
  expect([...keyType.enum].sort()).toEqual([...CA_KEY_TYPES].sort());
});
