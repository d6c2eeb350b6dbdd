import { OPERATOR_ADDRESS_CONFIG_MAP } from '#core/constants.ts';

import type { EmbeddedApi } from './embedded-api.ts';
import { AS_SERVER } from './seed.ts';

/** Says where processes outside pods find the operator. */
export async function publishOperator(
  { kinds, writer }: EmbeddedApi,
  namespace: string,
  url: string,
): Promise<void> {
  const kind = kinds.byResource('/configmaps');
  if (!kind) throw new Error('the API server knows no ConfigMaps');
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: OPERATOR_ADDRESS_CONFIG_MAP, namespace },
    data: { url },
  };
  await writer.apply({ kind, namespace, name: OPERATOR_ADDRESS_CONFIG_MAP }, object, {
    ...AS_SERVER,
    force: true,
  });
}
