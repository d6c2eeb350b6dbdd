import type { MakeProxy } from './proxy.ts';
import { startPair } from './start-pair.ts';

/** Two Node processes that only pass bytes on, without TLS or any decision: what the two hops cost whatever they do. */
export const makeRelay: MakeProxy = async (house) => {
  const bundle = await house.bundle('bench/dataplane/load/relay.ts', 'relay');
  const command = (side: string, listen: number, to: number) => ({
    title: `relay (${side})`,
    program: house.node,
    args: [bundle, String(listen), String(to)],
  });
  return {
    name: 'relay',
    kind: 'none',
    version: '',
    threads: 'one (Node)',
    start: (options) =>
      startPair(
        house,
        {
          server: (listen, backend) => command('server', listen, backend),
          client: (listen, peer) => command('client', listen, peer),
        },
        options,
      ),
  };
};
