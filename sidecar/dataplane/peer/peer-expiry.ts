import type { AdmittedPeer } from './admit.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';

type ExpirySetting = Pick<DataPlaneSettings, 'expiredPeers'>;

/** When an open connection must be looked at because its peer's certificate has expired, Unix time, milliseconds. */
export function expiryOf(peer: AdmittedPeer, { expiredPeers }: ExpirySetting): number {
  return expiredPeers === 'cut' ? peer.notAfter : Infinity;
}

/** The time by which an open connection's peer is judged: where it may outlive its certificate, at most that one's end. */
export function reviewTime(peer: AdmittedPeer, now: number, { expiredPeers }: ExpirySetting): number {
  return expiredPeers === 'cut' ? now : Math.min(now, peer.notAfter);
}
