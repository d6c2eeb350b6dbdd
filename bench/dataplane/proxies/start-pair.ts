import type { House } from '../machine/house.ts';
import { freePort } from '../machine/ports.ts';
import type { Start } from '../machine/processes.ts';
import type { Pair, PairOptions } from './proxy.ts';

/** How the two programs of a pair are started, given the ports. */
export interface Commands {
  readonly server: (listen: number, backend: number) => Start;
  readonly client: (listen: number, peer: number) => Start;
}

/** Starts two programs, one behind the other. */
export async function startPair(
  { processes }: House,
  { server, client }: Commands,
  { backend, via }: PairOptions,
): Promise<Pair> {
  const [peerPort, port] = [await freePort(), await freePort()];
  const to = (await via?.(peerPort)) ?? peerPort;
  const both = [processes.start(client(port, to)), processes.start(server(peerPort, backend))];
  return {
    port,
    peerPort,
    pids: both.map(({ pid }) => pid),
    requireAlive: () => both.forEach((one) => one.requireAlive()),
    stop: () => processes.stop(...both),
  };
}
