import type { Readable } from 'node:stream';

/** One request as it goes on the wire. */
export interface WireRequest {
  readonly method: string;
  /** Path and query, beginning with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Status and headers of an answer; the body is still to be read, and must be read or destroyed. */
export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
  /** Asked when the body has ended: whether it ended before the server said so. */
  readonly truncated: () => boolean;
}

/** A connection (or, over HTTP/1.1, a pool of them) to the API server, whatever it speaks. */
export interface Connection {
  readonly protocol: 'h2' | 'http/1.1';
  /** Whether new requests may use it. */
  readonly usable: boolean;
  /** Whether it has carried an answer already, so that a failure may be one of idleness. */
  readonly proven: boolean;
  /** Resolves with the head of the answer; rejects with whatever went wrong, or the signal's reason. */
  send(request: WireRequest): Promise<WireResponse>;
  /** Breaks it: everything in flight fails. */
  destroy(error?: Error): void;
}
