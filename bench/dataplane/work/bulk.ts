import type { Received } from '../load/backend.ts';
import { Program } from '../load/program.ts';
import type { StreamsOrder } from '../load/streams.ts';
import { largest, memoryOf } from '../measure/memory.ts';
import type { Memory } from '../measure/memory.ts';
import { processorSeconds } from '../measure/processor-time.ts';
import type { Figures, MetricId } from '../metrics.ts';
import type { Pair } from '../proxies/proxy.ts';
import { withPair } from './workload.ts';
import type { Turn, Workload } from './workload.ts';

interface Transfer {
  readonly metric: MetricId;
  readonly direction: 'upload' | 'download';
  readonly streams: number;
}

const TRANSFERS: readonly Transfer[] = [
  { metric: 'bulk-up-1', direction: 'upload', streams: 1 },
  { metric: 'bulk-up-4', direction: 'upload', streams: 4 },
  { metric: 'bulk-down-1', direction: 'download', streams: 1 },
  { metric: 'bulk-down-4', direction: 'download', streams: 4 },
];

/** Until windows are open and buffers are as large as they get, milliseconds. */
const RAMP_MS = 500;
/** How often memory is looked at while bytes flow. */
const LOOKS = 4;

/** As many bytes as will go, one stream and four, in each direction; the receiver counts and checks them. */
export const bulk: Workload = (turn) =>
  withPair(turn, 'backend', async (pair) => {
    const figures: Figures = {};
    const memories: Memory[] = [];
    let [bytes, processor] = [0, 0];
    for (const transfer of TRANSFERS) {
      const one = await measure(turn, pair, transfer);
      figures[transfer.metric] = one.bytes / 1e6 / one.seconds;
      bytes += one.bytes;
      processor += one.processor;
      memories.push(...one.memories);
    }
    if (pair.pids.length === 0) return figures;
    const { resident, private: own } = largest(memories);
    return {
      ...figures,
      'cpu-bulk': processor / (bytes / 1e9),
      'memory-bulk': resident,
      'memory-bulk-private': own,
    };
  });

async function measure(
  { house, servers, seconds }: Turn,
  { port, pids }: Pair,
  { direction, streams }: Transfer,
): Promise<{ bytes: number; seconds: number; processor: number; memories: readonly Memory[] }> {
  const client = await Program.start(house, 'streams');
  try {
    const receiver = direction === 'upload' ? servers.program : client;
    const faultsBefore = (await receiver.ask<Received>('received')).faults;
    await client.ask(direction, { port, streams } satisfies StreamsOrder);
    await pause(RAMP_MS);
    const memories: Memory[] = [];
    const [from, processorBefore] = [await receiver.ask<Received>('received'), processorSeconds(pids)];
    for (let look = 0; look < LOOKS; look += 1) {
      await pause((seconds * 1000) / LOOKS);
      memories.push(...pids.map(memoryOf));
    }
    const [to, processorAfter] = [await receiver.ask<Received>('received'), processorSeconds(pids)];
    const { open, lost } = await client.ask<{ open: number; lost: number }>('open');
    if (lost > 0) throw new Error(`${lost} of ${open + lost} streams were lost during the ${direction}`);
    if (to.faults > faultsBefore) throw new Error(`bytes arrived that were never sent (${direction})`);
    if (to.bytes === from.bytes) throw new Error(`no bytes arrived (${direction})`);
    return {
      bytes: to.bytes - from.bytes,
      seconds: (to.at - from.at) / 1000,
      processor: processorAfter - processorBefore,
      memories,
    };
  } finally {
    await client.stop();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
