import type { House } from '../machine/house.ts';

/** One of those that are compared. */
export const PROXY_NAMES = [
  'direct',
  'relay',
  'mesh',
  'mesh-plain',
  'haproxy',
  'nginx',
  'stunnel',
  'ghostunnel',
  'consul',
] as const;
export type ProxyName = (typeof PROXY_NAMES)[number];

/** Two running proxies of a kind, the one of the client and the one of the server, or none for `direct`. */
export interface Pair {
  /** Where clients connect. */
  readonly port: number;
  /** Where the server's proxy takes mutual TLS. */
  readonly peerPort: number;
  /** The process of each proxy; their children belong to them. */
  readonly pids: readonly number[];
  /** @throws Error with the end of the output of one that has ended */
  requireAlive(): void;
  stop(): Promise<void>;
}

/** What a pair is started for. */
export interface PairOptions {
  /** Port of the server behind. */
  readonly backend: number;
  /** Puts something between the two: given the port of the server's proxy, says where the client's must connect. */
  readonly via?: (peerPort: number) => Promise<number>;
  /** Streams that will be open at once; default {@link USUAL_STREAMS}. */
  readonly streams?: number;
}

export const USUAL_STREAMS = 4_096;

/** A proxy that is ready to be started. */
export interface Proxy {
  readonly name: ProxyName;
  /** Ours, those they are compared with, and what is there for scale only. */
  readonly kind: 'ours' | 'peer' | 'none';
  readonly version: string;
  /** How much of a processor each process may use, in words. */
  readonly threads: string;
  /** Whether it works is not waited for: see `withPair`. */
  start(options: PairOptions): Promise<Pair>;
}

/**
 * Makes a proxy ready: downloads and unpacks what it needs.
 *
 * @throws Error with one sentence when it cannot be had on this machine
 */
export type MakeProxy = (house: House) => Promise<Proxy>;
