import * as z from 'zod';

import type { StreamHeader } from '../transport/transport.ts';
import { encodeFrame } from './frame.ts';

/** What a client's sidecar asks for at the start of a stream. */
const schema = z.object({
  /** Port of the application inside the pod. */
  port: z.int().min(1).max(65535),
  /** Where the client's application wanted to go, for logs: `10.215.3.4:5432` or `[fd00::1]:5432`. Nothing is decided by it. */
  originalDestination: z
    .string()
    .max(64)
    .regex(/^[0-9a-fA-F.:[\]]+$/)
    .optional(),
});

export function encodeStreamHeader(header: StreamHeader): Buffer {
  return encodeFrame(header);
}

/**
 * Reads what a peer sent. Unknown fields are passed over, so that a newer client can say more to an older server.
 *
 * @returns undefined when it is no stream header
 */
export function parseStreamHeader(message: unknown): StreamHeader | undefined {
  const { success, data } = schema.safeParse(message);
  if (!success) return undefined;
  const { port, originalDestination } = data;
  return { port, ...(originalDestination === undefined ? {} : { originalDestination }) };
}
