import type { Readable } from 'node:stream';

/**
 * What a body holds, as it comes. Node's own iterator (24.21: `getEosOnCloseError`) takes an HTTP/2 stream for broken that the server
 * has closed while all that it sent still waits to be read: an answer that comes in one piece would fail now and then.
 *
 * @throws what broke the body; an Error where it was closed before its end
 */
export async function* bodyChunks(body: Readable): AsyncGenerator<Buffer> {
  let wake: () => void = () => undefined;
  let failure: Error | undefined;
  let isClosed = false;
  const onReadable = (): void => wake();
  const onClose = (): void => {
    isClosed = true;
    wake();
  };
  const onError = (error: Error): void => {
    failure = error;
    wake();
  };
  body.on('readable', onReadable).on('end', onReadable).on('close', onClose).on('error', onError);
  try {
    for (;;) {
      const chunk = body.destroyed ? null : (body.read() as Buffer | null);
      const broken = failure ?? body.errored;
      if (chunk !== null) yield chunk;
      else if (broken) throw broken;
      else if (body.readableEnded) return;
      else if (isClosed || body.destroyed) throw new Error('it was closed before its end');
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    body.off('readable', onReadable).off('end', onReadable).off('close', onClose).off('error', onError);
    if (!body.readableEnded) body.destroy();
  }
}
