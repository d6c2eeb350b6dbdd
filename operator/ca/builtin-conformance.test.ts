import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import type { Secret } from '#kube/types.ts';

import { BuiltinProvider } from './builtin-provider.ts';
import { TRUST_DOMAIN } from './certificate-requests.fake.ts';
import { describeProvider } from './provider-conformance.suite.ts';
import { StoreApi } from './store-api.fake.ts';

const KEY = 'secrets mesh/mesh-ca';

describeProvider('the builtin provider', async () => {
  const store = new StoreApi();
  const log = new FakeLog();
  const secret = () => store.objects.get(KEY) as Secret;
  let kept: Secret;
  return {
    provider: () =>
      new BuiltinProvider({
        api: store.api,
        clock: systemClock,
        log,
        namespace: 'mesh',
        trustDomain: TRUST_DOMAIN,
      }),
    crossSigns: true,
    outage: () => {
      kept = secret();
      const broken: Secret = { ...kept, data: { ...kept.data!, 'root.key': '' } };
      store.put('secrets', broken);
    },
    recover: () => store.put('secrets', kept),
    secrets: () => [
      Buffer.from(secret().data!['root.key']!, 'base64').toString(),
      secret().data!['root.key']!,
    ],
    logged: () => JSON.stringify(log.lines),
  };
});
