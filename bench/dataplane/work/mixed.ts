import type { Received } from '../load/backend.ts';
import type { OpenLoopFigures, OpenLoopOrder } from '../load/open-loop.ts';
import { Program } from '../load/program.ts';
import type { StreamsOrder } from '../load/streams.ts';
import { warmUpSeconds, withPair } from './workload.ts';
import type { Turn, Workload } from './workload.ts';

const CONNECTIONS = 16;
/** Little, so that it is the bulk that small requests wait for and not one another. */
const REQUESTS_PER_SECOND = 400;
/** Until the transfer is as fast as it gets, milliseconds. */
const RAMP_MS = 500;

/** Small requests by themselves, and then while one stream of the same pair carries as much as it can. */
export const mixed: Workload = (turn) =>
  withPair(turn, 'backend', async ({ port }) => {
    const alone = await requests(turn, port);
    const bulk = await Program.start(turn.house, 'streams');
    try {
      await bulk.ask('download', { port, streams: 1 } satisfies StreamsOrder);
      await new Promise((resolve) => setTimeout(resolve, RAMP_MS));
      const before = await bulk.ask<Received>('received');
      const beside = await requests(turn, port);
      const after = await bulk.ask<Received>('received');
      return {
        'mixed-alone-p99': alone.p99,
        'mixed-p99': beside.p99,
        'mixed-growth': beside.p99 / alone.p99,
        'mixed-bulk': (after.bytes - before.bytes) / 1e3 / (after.at - before.at),
      };
    } finally {
      await bulk.stop();
    }
  });

async function requests({ house, seconds }: Turn, port: number): Promise<OpenLoopFigures> {
  const client = await Program.start(house, 'open-loop');
  try {
    return await client.ask<OpenLoopFigures>('run', {
      port,
      connections: CONNECTIONS,
      rate: REQUESTS_PER_SECOND,
      seconds,
      warmUpSeconds: warmUpSeconds(seconds),
    } satisfies OpenLoopOrder);
  } finally {
    await client.stop();
  }
}
