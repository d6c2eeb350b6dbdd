/** Opens tunnels and leaves them open, carrying nothing or one stream each. Its order is an {@link IdleOrder}. */
import { setTimeout as sleep } from 'node:timers/promises';

import { Peer } from './peer.ts';
import type { Target } from './peer.ts';

export interface IdleOrder extends Target {
  /** Where they come from: so many addresses of 127.1.0.0/16. */
  readonly addresses: number;
  /** From each address. */
  readonly tunnels: number;
  /** Where a stream of each leads; no stream when absent. */
  readonly appPort?: number;
}

const AT_A_TIME = 8;

const order = JSON.parse(process.argv[2] ?? '{}') as IdleOrder;
const peers: Peer[] = [];
let refused = 0;

async function open(index: number): Promise<void> {
  const address = index % order.addresses;
  const localAddress = `127.1.${1 + Math.floor(address / 250)}.${1 + (address % 250)}`;
  const peer = await Peer.connect({ ...order, localAddress });
  if (!peer) {
    refused += 1;
    return sleep(20);
  }
  peers.push(peer);
  if (order.appPort !== undefined && (await peer.accepted(order.appPort)) === undefined) refused += 1;
}

let next = 0;
const wanted = order.addresses * order.tunnels;
async function worker(): Promise<void> {
  while (next < wanted) await open(next++);
}

setInterval(() => {
  const open = peers.filter(({ closed }) => !closed).length;
  console.log(`opened ${peers.length}, refused ${refused}, open ${open} end`);
}, 250);
await Promise.all(Array.from({ length: AT_A_TIME }, worker));
console.log('all were tried');
