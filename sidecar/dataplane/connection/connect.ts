import { Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';

import { LeanSocket } from '../bytes/lean-socket.ts';
import { tuneSocket } from '../bytes/leg.ts';

/** A TCP connection that did not come about; `code` as the system names it (`ECONNREFUSED`), or `ETIMEDOUT` for our own clock. */
export class ConnectError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'ConnectError';
    this.code = code;
  }
}

export interface ConnectOptions {
  readonly address: string;
  readonly port: number;
  /** The address to come from. */
  readonly localAddress?: string;
  /** Whether it is in this pod. */
  readonly near?: boolean;
  /** Whether it reads as {@link LeanSocket} does; not for what TLS is put on top of. */
  readonly lean?: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Connects to an IP address.
 *
 * @throws ConnectError
 */
export function connectTo(options: ConnectOptions): Promise<Socket> {
  const { address, port, localAddress, timeoutMs, clock, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new ConnectError('ABORTED', 'given up'));
    const socket = options.lean ? new LeanSocket() : new Socket({ allowHalfOpen: true });
    socket.connect({ host: address, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const settle = () => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', onError);
    };
    const fail = (code: string, message: string) => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(new ConnectError(code, message));
    };
    const onConnect = () => {
      settle();
      tuneSocket(socket, options.near ?? false);
      resolve(socket);
    };
    const onError = (error: NodeJS.ErrnoException) => fail(error.code ?? 'UNKNOWN', error.message);
    const onAbort = () => fail('ABORTED', 'given up');
    const timer = clock.setTimeout(() => fail('ETIMEDOUT', `no answer within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', onConnect);
    socket.on('error', onError);
  });
}
