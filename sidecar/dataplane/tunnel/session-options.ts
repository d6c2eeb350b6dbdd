import type { Clock } from '#base/clock.ts';
import type { ResetReason } from '#core/refusals.ts';

import type { WindowBudget } from '../memory/window-budget.ts';
import type { FrameBudget } from '../memory/frame-budget.ts';
import type { TunnelStream } from './tunnel-stream.ts';
import type { Wire } from './tls-wire.ts';

/** Why a tunnel ended. */
export interface SessionEnd {
  /** Undefined for a code of a newer version. */
  readonly reason: ResetReason | undefined;
  readonly text: string;
}

/** What a tunnel tells its owner. */
export interface SessionEvents {
  /** A stream of the peer; only for the acceptor. Answer with `accept` or `reset`. */
  onStream?(stream: TunnelStream): void;
  /** The peer takes no more streams. */
  onGoAway?(why: SessionEnd): void;
  /** The last open stream has ended. */
  onIdle?(): void;
  /** The peer says, or confirms, that the tunnel with this proof is of the same process as this one. */
  onVouch?(proof: string): void;
  /** The tunnel is gone, and every stream of it. The last call. */
  onClose(why: SessionEnd): void;
}

export interface SessionOptions {
  /** Who made the connection opens streams; the other side takes them. */
  readonly role: 'dialer' | 'acceptor';
  readonly wire: Wire;
  readonly clock: Clock;
  /** What windows may grow by. */
  readonly growth: WindowBudget;
  /** What the peer may make this process do for nothing, in all its tunnels. */
  readonly frames: FrameBudget;
  /** So many bytes arrived. */
  readonly onArrived?: (bytes: number) => void;
  /** How long a tunnel that was ended waits for its close reason to be taken, milliseconds. */
  readonly lingerMs: number;
  readonly events: SessionEvents;
}
