import { makeConsul } from './consul.ts';
import { direct } from './direct.ts';
import { makeGhostunnel } from './ghostunnel.ts';
import { makeHaproxy } from './haproxy.ts';
import { makeMesh } from './mesh.ts';
import { makeNginx } from './nginx.ts';
import type { MakeProxy, ProxyName } from './proxy.ts';
import { makeRelay } from './relay.ts';
import { makeStunnel } from './stunnel.ts';

/** All there are, in the order of the table. */
export const PROXIES: Readonly<Record<ProxyName, MakeProxy>> = {
  direct: () => Promise.resolve(direct),
  relay: makeRelay,
  mesh: makeMesh('default'),
  'mesh-plain': makeMesh('plain'),
  haproxy: makeHaproxy,
  nginx: makeNginx,
  stunnel: makeStunnel,
  ghostunnel: makeGhostunnel,
  consul: makeConsul,
};
