import type { Target } from './peer.ts';

export interface HoldOrder extends Target {
  readonly appPort: number;
  readonly tunnels: number;
  /** In each tunnel. */
  readonly streams: number;
  /** Bytes of each DATA frame. */
  readonly piece: number;
  /**
   * What is not read: what the peer says, by the application; the same, each piece in a TLS record with bytes that are; or
   * what the application says, by the peer, which gives all credit there is.
   */
  readonly unread: 'by-application' | 'by-application-among-read' | 'by-peer';
  /** Whether it keeps to the credit it has. */
  readonly obeys: boolean;
}

/** The first byte of a connection tells the application what to do with it. */
export const APPLICATION = { ignore: 'i', read: 'r', speak: 's' } as const;
