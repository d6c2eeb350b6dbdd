import type { OpenLoopFigures, OpenLoopOrder } from '../load/open-loop.ts';
import { Program } from '../load/program.ts';
import { warmUpSeconds, withPair } from './workload.ts';
import type { Workload } from './workload.ts';

const CONNECTIONS = 64;
/** More than this share without an answer, and the percentiles say nothing. */
const LOST_SHARE = 0.01;

/** Requests at a fixed rate that does not wait for answers, which is how users come: half of what the best peer can do. */
export const openLoop: Workload = async (turn) => {
  const rate = await turn.openRate();
  const { house, seconds } = turn;
  return withPair(turn, 'origin', async ({ port }) => {
    const client = await Program.start(house, 'open-loop');
    try {
      const order: OpenLoopOrder = {
        port,
        connections: CONNECTIONS,
        rate,
        seconds,
        warmUpSeconds: warmUpSeconds(seconds),
      };
      const { p50, p99, sent, unanswered, clientP99 } = await client.ask<OpenLoopFigures>('run', order);
      house.say(
        `  ${rate}/s wanted, p99 ${p99.toFixed(1)} ms, of it at most ${clientP99.toFixed(1)} ms the client's`,
      );
      if (unanswered > sent * LOST_SHARE)
        throw new Error(
          `${unanswered} of ${sent} requests at ${rate}/s were not answered: it cannot keep up`,
        );
      return { 'open-p50': p50, 'open-p99': p99 };
    } finally {
      await client.stop();
    }
  });
};
