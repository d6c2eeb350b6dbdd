/**
 * The numbers of `mesh/1`, many streams in one mutual TLS connection, as docs/tunnel.md specifies them. A frame is eight
 * bytes (length of the payload: 3, type: 1, stream: 4; big-endian) and a payload.
 */

export const HEADER_BYTES = 8;

/** Kinds of frames. A type that is not here is skipped: a newer peer may know more. */
export const FRAME = {
  hello: 0,
  open: 1,
  accept: 2,
  data: 3,
  end: 4,
  reset: 5,
  credit: 6,
  ping: 7,
  pong: 8,
  goAway: 9,
  vouch: 10,
} as const;

/** Longest payload of any frame. */
export const MAX_PAYLOAD = 65_536;
/** Longest payload of a frame that is not DATA: these are read whole, and so held in memory. */
export const MAX_CONTROL_PAYLOAD = 1_024;
/** Longest text in a RESET or GOAWAY, bytes of UTF-8. */
export const MAX_TEXT_BYTES = 600;
/** Longest original destination in an OPEN: an IPv6 address in brackets, a scope and a port fit. */
export const MAX_DESTINATION_BYTES = 64;
export const VOUCH_BYTES = 32;
export const MAX_STREAM_ID = 0x7fff_ffff;

/** Names of the values in a HELLO. */
export const SETTING = { streamWindow: 1, connectionWindow: 2, maxStreams: 3 } as const;

/** What one side takes from the other. */
export interface TunnelLimits {
  /** Bytes a new stream may carry before credit is given. */
  readonly streamWindow: number;
  /** Bytes all streams together may carry before credit is given. */
  readonly connectionWindow: number;
  /** Streams open at a time. */
  readonly maxStreams: number;
}

/**
 * What holds before the other side's HELLO has come, and the least that a HELLO may say. The connection's window
 * is that of all streams together, what windows may grow by, and what may wait to be credited: slow readers never take the
 * credit of others.
 */
export const BASE_LIMITS: TunnelLimits = {
  streamWindow: 32_768,
  connectionWindow: 51_380_224,
  maxStreams: 1_024,
};

/** The most a HELLO may say; more is taken as this. */
export const MAX_WINDOW = 0x7fff_ffff;

/** Credit for the connection is given in steps of this many bytes. */
export const CONNECTION_CREDIT_STEP = 1_048_576;
/** What the windows of one connection's streams may grow by, all together. */
export const GROWTH_BYTES = 16_777_216;
