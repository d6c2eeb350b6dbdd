import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { Credentials } from '../credentials.ts';
import { docsBlocks } from '../docs.fake.ts';
import { skipReason, STEP_CA } from '../go-programs.fake.ts';
import { SERVING_NAMES, TRUST_DOMAIN } from '../certificate-requests.fake.ts';
import { describeProvider } from '../provider-conformance.suite.ts';
import { secretOf } from '../secret.fake.ts';
import { StoreApi } from '../store-api.fake.ts';
import { StepCaProvider } from './step-provider.ts';
import { StepCaServer } from './step-server.fake.ts';

const reason = skipReason(STEP_CA);
if (reason) {
  test.skip(`step-ca as a certificate authority: ${reason}`, () => undefined);
} else {
  describeProvider('step-ca, with the template of the documentation,', async () => {
    const [template] = docsBlocks('text');
    const server = await StepCaServer.start(template);
    const store = new StoreApi();
    const log = new FakeLog();
    const secret = { 'provisioner-key': server.provisionerKeyPem };
    store.put('secrets', secretOf('mesh', 'mesh-ca-step', secret));
    return {
      provider: () =>
        new StepCaProvider({
          settings: server.settings(),
          credentials: new Credentials({ api: store.api, namespace: 'mesh', name: 'mesh-ca-step' }),
          trustDomain: TRUST_DOMAIN,
          servingNames: SERVING_NAMES,
          clock: systemClock,
          log,
        }),
      crossSigns: false,
      outage: () => server.kill(),
      recover: () => server.resume(),
      secrets: () => Object.values(secret),
      logged: () => JSON.stringify(log.lines),
      close: () => server.remove(),
    };
  });
}
