import type { Duplex } from 'node:stream';

import type { Clock } from '#base/clock.ts';

/**
 * The small messages before the bytes of an application: four bytes of length (big-endian), then that many bytes of JSON.
 * Both the stream header and the verdict travel in it.
 */
export const MAX_FRAME_BYTES = 1024;
const LENGTH_BYTES = 4;

/** @throws RangeError when the message is longer than {@link MAX_FRAME_BYTES}. */
export function encodeFrame(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > MAX_FRAME_BYTES)
    throw new RangeError(`a frame of ${body.length} bytes; at most ${MAX_FRAME_BYTES}`);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, LENGTH_BYTES);
  return frame;
}

/** What came instead of a frame. */
export class FrameError extends Error {
  readonly kind: 'malformed' | 'timeout' | 'ended';

  constructor(kind: FrameError['kind'], message: string) {
    super(message);
    this.name = 'FrameError';
    this.kind = kind;
  }
}

/**
 * Reads one frame and leaves every byte after it in the stream. What a peer can make us hold is the stream's own read
 * buffer, no more.
 *
 * @param timeoutMs until the frame must be complete
 * @returns what the JSON says; not checked
 * @throws FrameError
 */
export function readFrame(stream: Duplex, clock: Clock, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let length: number | undefined;
    const settle = (act: () => void) => {
      timer.cancel();
      stream.off('readable', look);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      act();
    };
    const fail = (kind: FrameError['kind'], message: string) =>
      settle(() => reject(new FrameError(kind, message)));
    const onEnd = () => fail('ended', 'the stream ended before the message was complete');
    const look = () => {
      if (length === undefined) {
        const head = stream.read(LENGTH_BYTES) as Buffer | null;
        if (!head) return;
        if (head.length < LENGTH_BYTES) return onEnd();
        length = head.readUInt32BE(0);
        if (length === 0 || length > MAX_FRAME_BYTES) {
          return fail(
            'malformed',
            `a message of ${length} bytes; between 1 and ${MAX_FRAME_BYTES} are allowed`,
          );
        }
      }
      const body = stream.read(length) as Buffer | null;
      if (!body) return;
      if (body.length < length) return onEnd();
      settle(() => {
        try {
          resolve(JSON.parse(body.toString('utf8')));
        } catch {
          reject(new FrameError('malformed', 'the message is not JSON'));
        }
      });
    };
    const timer = clock.setTimeout(
      () => fail('timeout', `the message was not complete after ${timeoutMs} ms`),
      timeoutMs,
    );
    stream.on('readable', look);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    if (stream.closed || stream.readableEnded) onEnd();
    else look();
  });
}
