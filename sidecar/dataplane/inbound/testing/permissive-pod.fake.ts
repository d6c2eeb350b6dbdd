/**
 * A program for the tests in network namespaces: the inbound half of a sidecar whose service is permissive, as the user of the
 * sidecar. Prints a line when it listens.
 *
 *     permissive-pod.fake.ts POD_IP,POD_IP... PORT,PORT...
 */
import { SIDECAR_UID } from '#core/constants.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';

import { DEFAULT_SETTINGS } from '../../interfaces/settings.ts';
import { kernelOriginalDestination } from '../../original-destination/kernel.ts';
import { MemoryBudget } from '../../memory/memory-budget.ts';
import { noMetrics } from '../../interfaces/data-plane-metrics.ts';
import { FakeIdentity, FakeOwnService, FakePolicy } from '../../../testing/sources.fake.ts';
import { AppDialer, appAddresses } from '../app-dialer.ts';
import { Inbound } from '../inbound.ts';

const [podIPs = '', ports = ''] = process.argv.slice(2);
const originalDestination = await kernelOriginalDestination();
process.setgid?.(SIDECAR_UID);
process.setuid?.(SIDECAR_UID);

const policy = new FakePolicy();
policy.deny();
const own = new FakeOwnService({ namespace: 'shop', service: 'db' }, ports.split(',').map(Number));
own.set({ mtls: 'permissive' });
const shared = { clock: systemClock, log: silentLog, metrics: noMetrics, settings: DEFAULT_SETTINGS };
await new Inbound({
  ...shared,
  policy,
  own,
  originalDestination,
  identity: new FakeIdentity(),
  memory: new MemoryBudget(60_000_000, systemClock),
  app: new AppDialer({ ...shared, addresses: appAddresses(podIPs.split(','), true) }),
}).start();
console.log('listening');
