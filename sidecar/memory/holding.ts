import type { PeerAccount } from './peer-account.ts';

/** A connection, a tunnel or a stream: something that holds memory on behalf of a peer. */
export interface Holding {
  readonly account: PeerAccount;
  /** Memory that it takes as long as it exists, whatever it carries, bytes. Does not change. */
  readonly fixedBytes: number;
  /** Memory of what waits in it now, bytes. Cheap, and throws nothing. */
  readonly waitingBytes: number;
  /** Ends it at once: memory is short, and it holds more than others. */
  shed(): void;
}
