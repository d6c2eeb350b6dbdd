import { networkOf } from '#core/net/network-of.ts';

/** Where a connection comes from. */
export interface Origin {
  /** Canonical, see `canonicalAddress`. */
  readonly address: string;
  /** By which strangers are counted, see `networkOf`; inside of one they are counted by address, since it may be that of all pods of a node. */
  readonly network: string;
}

/** @param address in its canonical spelling */
export function originOf(address: string): Origin {
  return { address, network: networkOf(address) };
}
