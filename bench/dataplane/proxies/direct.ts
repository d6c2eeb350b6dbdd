import type { Proxy } from './proxy.ts';

/** No proxies at all: what the load and the server behind can do by themselves. */
export const direct: Proxy = {
  name: 'direct',
  kind: 'none',
  version: '',
  threads: '',
  start: ({ backend }) =>
    Promise.resolve({
      port: backend,
      peerPort: backend,
      pids: [],
      requireAlive: () => undefined,
      stop: () => Promise.resolve(),
    }),
};
