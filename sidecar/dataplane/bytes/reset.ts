import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** What Node keeps to itself of a socket. Guarded by the tests of this file on every version of Node we run on. */
interface Inside {
  /** Makes `destroy` send a reset in place of an end. */
  resetAndClosing: boolean;
  readonly _handle: { getpeername?(out: object): number } | null;
}

/** The TLS socket on top of a TCP socket, for callers that hold the lower one only. */
const onTop = new WeakMap<Socket, TLSSocket>();

/**
 * Destroys a TCP socket at once, with a reset for the other end. Idempotent. A socket that is not connected yet is just
 * destroyed; so is one whose end of data waits behind bytes that the other end does not take (libuv resets no such socket).
 *
 * Not `resetAndDestroy`, which first waits until everything written is sent: forever, where the other end does not read.
 * And a TLS socket on top must not be destroyed by hand: it follows by itself, whereas both in one turn crash Node 20 (use
 * after free) or swallow the reset.
 */
export function resetSocket(raw: Socket): void {
  if (raw.destroyed) return;
  const top = onTop.get(raw) ?? raw;
  const ending = top.writableEnded && !top.writableFinished;
  if (!raw.connecting && !ending) (raw as Socket & Inside).resetAndClosing = true;
  raw.destroy();
}

/** Tells {@link resetSocket} of a TLS socket that was put on top of a TCP socket. */
export function putOnTop(raw: Socket, tls: TLSSocket): void {
  onTop.set(raw, tls);
}

/** Whether this Node's libuv reports a reset as one, whatever came right before it. */
const TELLS_RESETS = atLeast(process.versions.uv, [1, 49]);

/**
 * Whether a socket whose data just ended was reset. libuv before 1.49 (Node 20) reports a reset that comes right behind data
 * as a proper end, and a torn-off answer would look complete. The kernel knows: a socket that was reset has no peer any more.
 * Cannot tell once our own side has ended too; then the answer is no.
 */
export function wasReset(raw: Socket): boolean {
  if (TELLS_RESETS || raw.destroyed || (onTop.get(raw) ?? raw).writableEnded) return false;
  const { _handle: handle } = raw as Socket & Inside;
  return typeof handle?.getpeername === 'function' && handle.getpeername({}) !== 0;
}

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}
