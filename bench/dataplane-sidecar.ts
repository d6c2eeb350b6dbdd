/** A child of dataplane-latency.ts: the inbound or the outbound half of a sidecar, told by its parent what to serve. */
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { silentLog } from '#kube/log.ts';
import { systemClock } from '#kube/clock.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { SpiffeId } from '#core/spiffe-id.ts';
import { readSvid } from '#pki/svid.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';
import { DEFAULT_SETTINGS } from '#sidecar/connection/settings.ts';
import { AppDialer } from '#sidecar/inbound/app-dialer.ts';
import { Inbound } from '#sidecar/inbound/inbound.ts';
import { withoutRedirection } from '#sidecar/original-destination/original-destination.ts';
import { Outbound } from '#sidecar/outbound/outbound.ts';
import { noMetrics } from '#sidecar/seams/data-plane-metrics.ts';
import {
  FakeIdentity,
  FakeOwnService,
  FakePolicy,
  FakeResolver,
  FakeTarget,
} from '#sidecar/testing/sources.fake.ts';
import { PlainTransport } from '#sidecar/tunnel/plain-transport.ts';

export interface SidecarOrder {
  /** `relay` is no sidecar: it only passes bytes on, and shows what a process in between costs by itself. */
  readonly role: 'inbound' | 'outbound' | 'relay';
  readonly svid: { readonly certChainPem: string; readonly keyPem: string };
  readonly rootPem: string;
  readonly trustDomain: string;
  /** Where the application listens. */
  readonly appPort: number;
  /** Where the inbound half listens, for the outbound half; where to pass bytes on to, for a relay. */
  readonly inboundPort: number;
  /** SPIFFE ID of the inbound half. */
  readonly db: SpiffeId;
}

const DB = { namespace: 'shop', service: 'db' };

process.on('message', (order: SidecarOrder) => void serve(order).then((port) => process.send?.({ port })));

async function serve(order: SidecarOrder): Promise<number> {
  if (order.role === 'relay') return relay(order.inboundPort);
  const bundle = TrustBundle.of(trustDomain(order.trustDomain), order.rootPem);
  const shared = {
    identity: new FakeIdentity(readSvid(order.svid), bundle),
    clock: systemClock,
    log: silentLog,
    metrics: noMetrics,
    settings: DEFAULT_SETTINGS,
  };
  if (order.role === 'inbound') {
    const inbound = new Inbound({
      ...shared,
      policy: new FakePolicy(),
      own: new FakeOwnService(DB, [order.appPort]),
      originalDestination: withoutRedirection,
      app: new AppDialer({ ...shared, addresses: [{ address: '127.0.0.1' }] }),
      listen: { hosts: ['127.0.0.1'], port: 0 },
    });
    await inbound.start();
    return inbound.port;
  }
  const resolver = new FakeResolver();
  const target = new FakeTarget(DB, order.db, []);
  resolver.byName.set('shop/db', target);
  target.set([{ address: '127.0.0.1', port: order.appPort }]);
  const outbound = new Outbound({
    ...shared,
    resolver,
    transport: new PlainTransport({ ...shared, port: order.inboundPort }),
    podIPs: [],
  });
  await outbound.start();
  await outbound.setUpstreams([{ localPort: 0, service: target.service }]);
  return outbound.upstreamPort(0) ?? 0;
}

async function relay(to: number): Promise<number> {
  const server = createServer({ noDelay: true }, (from) => {
    const onward = connect({ port: to, host: '127.0.0.1', noDelay: true });
    from.on('error', () => onward.destroy()).pipe(onward);
    onward.on('error', () => from.destroy()).pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
