/** Makes a sidecar hold as much as it can be made to, keeping to every credit, or to none. Its order is a {@link HoldOrder}. */
import { setTimeout as sleep } from 'node:timers/promises';

import { frameBytes } from '#sidecar/dataplane/tunnel/frames/frames.fake.ts';
import { FRAME } from '#sidecar/dataplane/tunnel/frames/protocol.ts';

import { Peer } from './peer.ts';
import { APPLICATION } from './hold-order.ts';
import type { HoldOrder } from './hold-order.ts';

const STREAM_CREDIT = 32_768;
const CONNECTION_CREDIT = 51_380_224;
const RECORD = 16_384;
const FRAME_HEADER = 8;

const order = JSON.parse(process.argv[2] ?? '{}') as HoldOrder;
let sent = 0;
let opened = 0;

async function tunnel(): Promise<void> {
  const peer = await Peer.connect(order);
  if (!peer) return;
  const credits = new Map<number, number>([[0, CONNECTION_CREDIT]]);
  peer.onFrame.push(({ type, stream, payload }) => {
    if (type === FRAME.credit) credits.set(stream, (credits.get(stream) ?? 0) + payload.readUInt32BE());
    if (type === FRAME.reset) credits.delete(stream);
  });
  const open = async (what: string): Promise<number | undefined> => {
    const id = await peer.accepted(order.appPort);
    if (id === undefined) return undefined;
    opened += 1;
    credits.set(id, STREAM_CREDIT);
    if (order.unread === 'by-peer') {
      peer.credit(id, 0x7000_0000);
    }
    spend(peer, credits, id, Buffer.from(what));
    return id;
  };
  if (order.unread === 'by-peer') {
    peer.credit(0, 0x7000_0000);
    await Promise.all(Array.from({ length: order.streams }, () => open(APPLICATION.speak)));
    peer.tls.pause();
    return;
  }
  const read = order.unread === 'by-application' ? undefined : await open(APPLICATION.read);
  const ids = await Promise.all(Array.from({ length: order.streams }, () => open(APPLICATION.ignore)));
  await fill(peer, credits, { unread: ids.filter((id) => id !== undefined), read });
}

/** Sends pieces as long as anything takes them, and then waits for more credit. */
async function fill(
  peer: Peer,
  credits: Map<number, number>,
  streams: { readonly unread: readonly number[]; readonly read: number | undefined },
): Promise<void> {
  const piece = Buffer.alloc(order.piece);
  const rest = Buffer.alloc(Math.max(0, RECORD - order.piece - 2 * FRAME_HEADER));
  while (!peer.closed) {
    let moved = false;
    for (const id of streams.unread) {
      if (!mayGo(credits, id, piece.length)) continue;
      moved = true;
      if (streams.read !== undefined && mayGo(credits, streams.read, rest.length))
        spend(peer, credits, streams.read, rest);
      if (!spend(peer, credits, id, piece))
        await new Promise<void>((resolve) => void peer.tls.once('drain', resolve).once('close', resolve));
    }
    await (moved ? new Promise((resolve) => setImmediate(resolve)) : sleep(20));
  }
}

function mayGo(credits: ReadonlyMap<number, number>, id: number, bytes: number): boolean {
  if (!credits.has(id)) return false;
  return !order.obeys || ((credits.get(id) ?? 0) >= bytes && (credits.get(0) ?? 0) >= bytes);
}

function spend(peer: Peer, credits: Map<number, number>, id: number, bytes: Buffer): boolean {
  for (const account of [0, id]) credits.set(account, (credits.get(account) ?? 0) - bytes.length);
  sent += bytes.length;
  return peer.say(frameBytes(FRAME.data, id, bytes));
}

console.log('begins');
setInterval(() => console.log(`opened ${opened} streams, sent ${Math.round(sent / 1_048_576)} MiB`), 500);
// One that breaks the protocol is cut off, and comes again.
await Promise.all(
  Array.from({ length: order.tunnels }, async () => {
    do await tunnel();
    while (!order.obeys);
  }),
);
