/**
 * Sends requests at a fixed rate, whether answers come or not. Each request has a time at which it is to be sent, and its
 * latency counts from there: requests that had to wait for others (in this client, for a free connection) show it, which
 * a client that waits for each answer hides ("coordinated omission").
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { Histogram } from '../measure/histogram.ts';
import { answerParent } from './channel.ts';

export interface OpenLoopOrder {
  readonly port: number;
  readonly connections: number;
  /** Requests per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Before anything counts. */
  readonly warmUpSeconds: number;
}

/** Milliseconds. */
export interface OpenLoopFigures {
  readonly sent: number;
  /**
   * Not answered when the time was over and another second had passed. They count with the time they have waited by then, so
   * that percentiles are too low rather than missing.
   */
  readonly unanswered: number;
  readonly p50: number;
  readonly p99: number;
  /** How late this client's clock called it, at the 99th percentile: what it adds by itself. */
  readonly clientP99: number;
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';

class Connection {
  readonly socket: Socket;
  /** When the request under way was to be sent. */
  due: number | undefined;
  #text = '';

  constructor(port: number, onAnswer: (connection: Connection) => void, onLost: () => void) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.setEncoding('latin1').on('error', onLost).on('close', onLost);
    this.socket.on('data', (chunk: string) => {
      this.#text += chunk;
      if (!isComplete(this.#text)) return;
      this.#text = '';
      onAnswer(this);
    });
  }
}

/** The answers are short, and all have a length. */
function isComplete(text: string): boolean {
  const head = text.indexOf('\r\n\r\n');
  const length = /^content-length: (\d+)/im.exec(text)?.[1];
  return head >= 0 && length !== undefined && text.length >= head + 4 + Number(length);
}

async function run(order: OpenLoopOrder): Promise<OpenLoopFigures> {
  const [latencies, lateness] = [new Histogram(), new Histogram()];
  const idle: Connection[] = [];
  const waiting: number[] = [];
  let [first, lost] = [0, 0];
  const start = performance.now() + 100;
  const counts = start + order.warmUpSeconds * 1000;
  const end = counts + order.seconds * 1000;

  const send = (connection: Connection, due: number): void => {
    connection.due = due;
    connection.socket.write(REQUEST);
  };
  const onAnswer = (connection: Connection): void => {
    const { due = 0 } = connection;
    connection.due = undefined;
    if (due >= counts) latencies.add((performance.now() - due) * 1000);
    const next = waiting[first];
    if (next === undefined) return void idle.push(connection);
    first += 1;
    if (first > 10_000) {
      waiting.splice(0, first);
      first = 0;
    }
    send(connection, next);
  };
  const connections = Array.from(
    { length: order.connections },
    () => new Connection(order.port, onAnswer, () => (lost += 1)),
  );
  await Promise.all(
    connections.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))),
  );
  idle.push(...connections);

  const interval = 1000 / order.rate;
  let due = start;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const now = performance.now();
      for (; due <= now && due < end; due += interval) {
        if (due >= counts) {
          sent += 1;
          lateness.add((now - due) * 1000);
        }
        const connection = idle.shift();
        if (connection) send(connection, due);
        else waiting.push(due);
      }
      if (due < end) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  if (lost > 0) throw new Error(`${lost} of ${order.connections} connections were lost`);
  const open = connections.flatMap(({ due }) => due ?? []);
  const unanswered = [...open, ...waiting.slice(first)].filter((wanted) => wanted >= counts);
  for (const wanted of unanswered) latencies.add((performance.now() - wanted) * 1000);
  for (const { socket } of connections) socket.removeAllListeners('close').destroy();
  const milliseconds = (histogram: Histogram, share: number): number => histogram.percentile(share) / 1000;
  return {
    sent,
    unanswered: unanswered.length,
    p50: milliseconds(latencies, 50),
    p99: milliseconds(latencies, 99),
    clientP99: milliseconds(lateness, 99),
  };
}

answerParent({ run });
