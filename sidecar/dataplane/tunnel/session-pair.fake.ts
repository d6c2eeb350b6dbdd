import { FakeClock } from '#base/testing/clock.fake.ts';

import { TunnelSession } from './session.ts';
import type { SessionEnd } from './session.ts';
import type { TunnelStream } from './tunnel-stream.ts';
import { WindowBudget } from '../memory/window-budget.ts';
import { FrameBudget } from '../memory/frame-budget.ts';
import { FakeWire } from './wire.fake.ts';

export const PAIR_BUDGET = 8_388_608;

/** Lets what is collected for this turn of the event loop leave. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Two sessions with a connection in memory between them. Bytes move only in `deliver`, `exchange` and `settle`. */
export class SessionPair {
  readonly clock = new FakeClock();
  readonly budget = new WindowBudget(PAIR_BUDGET);
  readonly wires: readonly [FakeWire, FakeWire];
  readonly dialer: TunnelSession;
  readonly acceptor: TunnelSession;
  /** Streams that the acceptor was told of and nobody has taken. */
  readonly arrived: TunnelStream[] = [];
  readonly vouches: string[] = [];
  idle = 0;
  ends: { dialer?: SessionEnd; acceptor?: SessionEnd } = {};
  goAways: { dialer?: SessionEnd; acceptor?: SessionEnd } = {};

  constructor() {
    const [one, other] = FakeWire.pair();
    this.wires = [one, other];
    const shared = { clock: this.clock, growth: this.budget, lingerMs: 1_000 };
    this.dialer = new TunnelSession({
      ...shared,
      role: 'dialer',
      frames: new FrameBudget(this.clock),
      wire: one,
      events: {
        onIdle: () => (this.idle += 1),
        onGoAway: (why) => (this.goAways.dialer = why),
        onVouch: (proof) => this.vouches.push(`dialer ${proof}`),
        onClose: (why) => (this.ends.dialer = why),
      },
    });
    this.acceptor = new TunnelSession({
      ...shared,
      role: 'acceptor',
      frames: new FrameBudget(this.clock),
      wire: other,
      events: {
        onStream: (stream) => this.arrived.push(stream),
        onGoAway: (why) => (this.goAways.acceptor = why),
        onVouch: (proof) => this.vouches.push(`acceptor ${proof}`),
        onClose: (why) => (this.ends.acceptor = why),
      },
    });
    this.dialer.start();
    this.acceptor.start();
  }

  /** Lets bytes leave one side: 0 the dialer's, 1 the acceptor's. */
  deliver(side: 0 | 1, most: number): number {
    return this.wires[side].deliver(most);
  }

  /** Lets everything that both sides say arrive, until both are silent. */
  async settle(piece = 65_536): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      await turn();
      let moved = 0;
      while (this.deliver(0, piece) + this.deliver(1, piece) > 0) moved += 1;
      const isBusy = [this.dialer, this.acceptor].some(
        ({ isClosed }, side) => !isClosed && this.wires[side]!.paused,
      );
      quiet = moved > 0 || isBusy ? 0 : quiet + 1;
    }
  }

  /** A stream that both sides have agreed on: the dialer's end and the acceptor's. */
  async stream(port = 80): Promise<readonly [TunnelStream, TunnelStream]> {
    const near = this.dialer.open({ port });
    await this.settle();
    const far = this.arrived.pop()!;
    far.accept();
    await this.settle();
    return [near, far];
  }

  /** What the windows of all streams may still grow by. */
  get budgetLeft(): number {
    let bytes = 0;
    for (let step = PAIR_BUDGET; step >= 1; step /= 2) while (this.budget.take(step)) bytes += step;
    this.budget.give(bytes);
    return bytes;
  }

  /** Ends everything; afterwards no timer may be left. */
  async stop(): Promise<void> {
    for (const wire of this.wires) wire.reset();
    await turn();
    await turn();
  }
}
