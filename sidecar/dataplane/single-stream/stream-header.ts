import type { StreamHeader } from '../transport/transport.ts';
import { encodeFrame } from './frame.ts';

/** An address and a port, for logs: `10.215.3.4:5432` or `[fd00::1]:5432`. Nothing is decided by it. */
const ADDRESS_AND_PORT = /^[0-9a-fA-F.:[\]]{1,64}$/;

export function encodeStreamHeader(header: StreamHeader): Buffer {
  return encodeFrame(header);
}

/**
 * Reads what a peer sent. Unknown fields are passed over, so that a newer client can say more to an older server.
 *
 * @returns undefined when it is not a stream header
 */
export function parseStreamHeader(message: unknown): StreamHeader | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { port, originalDestination } = message as Readonly<Record<string, unknown>>;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  if (originalDestination === undefined) return { port };
  const readable = typeof originalDestination === 'string' && ADDRESS_AND_PORT.test(originalDestination);
  return readable ? { port, originalDestination } : undefined;
}
