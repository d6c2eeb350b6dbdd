/** Opens streams through a proxy and keeps them: idle ones, and ones full of bytes in one direction. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import type { Received } from './backend.ts';
import { answerParent } from './channel.ts';
import { PatternCheck } from './pattern.ts';
import { sendForEver } from './send-for-ever.ts';

export interface StreamsOrder {
  readonly port: number;
  readonly streams: number;
}

/** Opening all at once would test the accept queues of the kernel. */
const AT_ONCE = 32;
const READ_BYTES = 256 * 1024;
const PATIENCE_MS = 10_000;
/** Of idle streams, those that may need another attempt. */
const FAILED_SHARE = 0.01;

const sockets = new Set<Socket>();
const downloads: PatternCheck[] = [];
let lost = 0;

function keep(socket: Socket): Socket {
  sockets.add(socket);
  socket
    .on('error', () => undefined)
    .once('close', () => {
      if (sockets.delete(socket)) lost += 1;
    });
  return socket;
}

/** Resolves when the server behind has answered, so that the stream is open all the way. */
function openIdle(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = keep(connect({ port, host: '127.0.0.1', noDelay: true }));
    const timer = setTimeout(
      () => reject(new Error('a stream got no answer within 10 seconds')),
      PATIENCE_MS,
    );
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error(`a stream was closed before it was answered; ${sockets.size} were open`));
    });
    socket.once('data', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.write('H');
  });
}

answerParent({
  idle: async ({ port, streams }: StreamsOrder): Promise<void> => {
    let missing = streams;
    // On a busy machine one or the other takes longer than a proxy waits.
    let patience = Math.ceil(streams * FAILED_SHARE);
    const lane = async (): Promise<void> => {
      while (missing > 0) {
        missing -= 1;
        await openIdle(port).catch((error: unknown) => {
          if ((patience -= 1) < 0) throw error;
          missing += 1;
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  },
  upload: ({ port, streams }: StreamsOrder): void => {
    for (let index = 0; index < streams; index += 1) {
      const socket = keep(connect({ port, host: '127.0.0.1' }));
      socket.write('U');
      sendForEver(socket);
    }
  },
  download: ({ port, streams }: StreamsOrder): void => {
    for (let index = 0; index < streams; index += 1) {
      const check = new PatternCheck();
      downloads.push(check);
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const callback = (bytes: number): boolean => {
        check.take(buffer.subarray(0, bytes));
        return true;
      };
      keep(connect({ port, host: '127.0.0.1', onread: { buffer, callback } })).write('D');
    }
  },
  received: (): Received => ({
    bytes: downloads.reduce((sum, { received }) => sum + received, 0),
    faults: downloads.reduce((sum, { faults }) => sum + faults, 0),
    at: performance.now(),
  }),
  open: () => ({ open: sockets.size, lost }),
});
