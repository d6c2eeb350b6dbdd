/** Sends frames that make work and bring none, as fast as they are taken. Its order is a {@link FloodOrder}. */
import { setTimeout as sleep } from 'node:timers/promises';

import { frameBytes, numberBytes, openBytes } from '#sidecar/dataplane/tunnel/frames/frames.fake.ts';
import { FRAME } from '#sidecar/dataplane/tunnel/frames/protocol.ts';

import { Peer } from './peer.ts';
import type { Target } from './peer.ts';

export interface FloodOrder extends Target {
  readonly flood: Flood;
  /** A port of the application; the stream that a flood needs is opened for it. */
  readonly appPort: number;
  /** Tunnels that flood at the same time. */
  readonly tunnels: number;
}

/** Enough that a record of TLS is full. */
const FRAMES = 1_500;
const RESET_BY_PEER = Buffer.from([0, 9]);

/** What is sent again and again; `open` is an accepted stream, `over` one that was reset. */
const FLOODS = {
  'one byte of DATA on a stream that is over': ({ over }: Streams) => data(over, 1),
  'long DATA on a stream that is over': ({ over }: Streams) => data(over, 16_384),
  'empty DATA': ({ open }: Streams) => data(open, 0),
  PING: () => frameBytes(FRAME.ping, 0, Buffer.alloc(8)),
  'PING of the greatest length': () => frameBytes(FRAME.ping, 0, Buffer.alloc(1_024)),
  'CREDIT of one byte': ({ open }: Streams) => frameBytes(FRAME.credit, open, numberBytes(1)),
  'RESET of a stream that is over': ({ over }: Streams) => frameBytes(FRAME.reset, over, RESET_BY_PEER),
  'END of a stream that is over': ({ over }: Streams) => frameBytes(FRAME.end, over),
  VOUCH: () => frameBytes(FRAME.vouch, 0, Buffer.alloc(32, Math.floor(Math.random() * 256))),
  GOAWAY: () => frameBytes(FRAME.goAway, 0, RESET_BY_PEER),
  'frames of no known type': () => frameBytes(99, 0, Buffer.alloc(8)),
  'long frames of no known type': () => frameBytes(99, 0, Buffer.alloc(65_536)),
  'OPEN that is refused': ({ next }: Streams) => openBytes(next(), 9),
  'OPEN and RESET': ({ next, appPort }: Streams) => {
    const id = next();
    return Buffer.concat([openBytes(id, appPort), frameBytes(FRAME.reset, id, RESET_BY_PEER)]);
  },
} as const;

export type Flood = keyof typeof FLOODS;
/** All that there are. */
export const FLOOD_NAMES = Object.keys(FLOODS) as readonly Flood[];

interface Streams {
  readonly open: number;
  readonly over: number;
  readonly next: () => number;
  readonly appPort: number;
}

function data(stream: number, bytes: number): Buffer {
  return frameBytes(FRAME.data, stream, Buffer.alloc(bytes));
}

let cuts = 0;
let reason = '';

/** Floods until it is cut off, and then again. */
async function flood(order: FloodOrder): Promise<void> {
  const make = FLOODS[order.flood];
  for (;;) {
    const peer = await Peer.connect(order);
    if (!peer) {
      await sleep(50);
      continue;
    }
    peer.onFrame.push(({ type, payload }) => {
      if (type === FRAME.goAway) reason = payload.toString('utf8', 2);
    });
    const open = await peer.accepted(order.appPort);
    const over = await peer.accepted(order.appPort);
    if (over !== undefined && open !== undefined) {
      peer.say(frameBytes(FRAME.reset, over, RESET_BY_PEER));
      const next = (): number => peer.nextStream();
      const streams: Streams = { open, over, next, appPort: order.appPort };
      const fixed = order.flood.startsWith('OPEN') ? undefined : batch(() => make(streams));
      await peer.repeat(() => fixed ?? batch(() => make(streams)));
    }
    peer.tls.destroy();
    cuts += 1;
  }
}

function batch(frame: () => Buffer): Buffer {
  const first = frame();
  const frames = Math.max(1, Math.min(FRAMES, Math.floor(262_144 / first.length)));
  return Buffer.concat([first, ...Array.from({ length: frames - 1 }, frame)]);
}

if (process.argv[1] === import.meta.filename) {
  const order = JSON.parse(process.argv[2] ?? '{}') as FloodOrder;
  console.log('begins');
  setInterval(() => console.log(`cut ${cuts} times: ${reason}`), 500);
  await Promise.all(Array.from({ length: order.tunnels }, () => flood(order)));
}
