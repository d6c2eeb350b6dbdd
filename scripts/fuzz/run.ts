import { FakeClock } from '#base/testing/clock.fake.ts';
import type { LegEvents } from '#sidecar/dataplane/bytes/leg.ts';
import { FrameBudget } from '#sidecar/dataplane/memory/frame-budget.ts';
import { TunnelSession } from '#sidecar/dataplane/tunnel/session.ts';
import type { TunnelStream } from '#sidecar/dataplane/tunnel/tunnel-stream.ts';
import { WindowBudget } from '#sidecar/dataplane/memory/window-budget.ts';
import { FakeWire } from '#sidecar/dataplane/tunnel/wire.fake.ts';

import type { Program, Step } from './program.ts';

const BUDGET = 4_194_304;

/** An application at the end of a stream that notices when it is told what cannot be. */
class Watcher implements LegEvents {
  readonly stream: TunnelStream;
  readonly #fault: (what: string) => void;
  #ended = false;
  closed = false;

  constructor(stream: TunnelStream, fault: (what: string) => void) {
    this.stream = stream;
    this.#fault = fault;
    stream.carry(this);
  }

  onData(chunk: Buffer): void {
    if (this.closed || this.#ended) this.#fault('data after the end of a stream');
    if (chunk.length === 0) this.#fault('data of no bytes');
  }

  onEnd(): void {
    if (this.closed || this.#ended) this.#fault('a second end of a stream');
    this.#ended = true;
  }

  onDrain(): void {
    if (this.closed) this.#fault('a drain after the close');
  }

  onClose(): void {
    if (this.closed) this.#fault('a second close of a stream');
    this.closed = true;
  }
}

/** One session, or two, while a program runs. */
class World {
  readonly clock = new FakeClock();
  readonly budget = new WindowBudget(BUDGET);
  readonly wires = FakeWire.pair();
  readonly sessions: [TunnelSession | undefined, TunnelSession | undefined];
  readonly arrived: TunnelStream[] = [];
  readonly watchers: [Watcher[], Watcher[]] = [[], []];
  readonly faults: string[] = [];
  /** Questions for consent that were not answered. */
  asked = 0;
  closes = [0, 0];

  constructor({ target }: Program) {
    this.sessions = [
      target === 'acceptor' ? undefined : this.#session(0),
      target === 'dialer' ? undefined : this.#session(1),
    ];
    for (const session of this.sessions) session?.start();
  }

  async step(step: Step): Promise<void> {
    if (step.do === 'turn') return turn();
    if (step.do === 'advance') return this.clock.advance(step.ms);
    if (step.do === 'own') return this.#own(step);
    if (step.do === 'deliver') {
      const wire = this.wires[step.side];
      wire.bend = (piece) => bent(piece, step.bend);
      wire.deliver(step.bytes);
      wire.bend = (piece) => piece;
      return;
    }
    const bytes = Buffer.from(step.hex, 'hex');
    const wire = this.wires[this.sessions[0] ? 0 : 1];
    for (let at = 0; at < bytes.length; at += step.cut)
      wire.inject(Buffer.from(bytes.subarray(at, at + step.cut)));
  }

  /** The peer falls silent: everything must come to its end by itself. */
  async end(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await turn();
      for (const wire of this.wires) while (wire.deliver(65_536) > 0);
    }
    if (this.sessions[0] && this.sessions[1])
      for (const session of this.sessions) session?.close('idle', 'the end');
    await this.clock.advance(30_000);
    await turn();
    this.sessions.forEach((session, side) => {
      if (!session) return;
      if (!session.isClosed) this.faults.push('a session with a silent peer lives on');
      if (session.streams > 0)
        this.faults.push(`${session.streams} streams left in a session that is closed`);
      if (this.closes[side] !== 1)
        this.faults.push(`a session told ${this.closes[side]} times that it is closed`);
    });
    if (this.asked > 0) this.faults.push(`${this.asked} questions for consent were never answered`);
    if (this.clock.pendingTimers > 0) this.faults.push(`${this.clock.pendingTimers} timers left`);
    if (!this.budget.take(BUDGET) || this.budget.take(1)) this.faults.push('the budget is not what it was');
    if (this.watchers.flat().some(({ closed }) => !closed))
      this.faults.push('a stream was never told that it is closed');
  }

  #session(side: 0 | 1): TunnelSession {
    return new TunnelSession({
      role: side === 0 ? 'dialer' : 'acceptor',
      wire: this.wires[side],
      clock: this.clock,
      growth: this.budget,
      frames: new FrameBudget(this.clock),
      lingerMs: 1_000,
      events: {
        onStream: (stream) => {
          if (side === 0) this.faults.push('a dialer was given a stream');
          this.arrived.push(stream);
        },
        onClose: () => (this.closes[side]! += 1),
      },
    });
  }

  #own({ side, what, number }: Extract<Step, { do: 'own' }>): void {
    const session = this.sessions[side];
    if (!session) return;
    if (what === 'open') this.#open(session, number);
    else if (what === 'accept' || what === 'refuse') this.#answer(what);
    else if (what === 'goAway' || what === 'close') session[what]('draining', 'leaving');
    else if (what === 'vouch') session.vouch('ab'.repeat(32));
    else {
      const stream = this.watchers[side][number % (this.watchers[side].length || 1)]?.stream;
      if (what === 'write') stream?.write(Buffer.alloc((number * 3) % 100_000, number));
      else stream?.[what]();
    }
  }

  #open(session: TunnelSession, number: number): void {
    if (!session.takesStreams) return;
    const stream = session.open({ port: 1 + (number % 65_535) });
    this.asked += 1;
    const answered = () => void (this.asked -= 1);
    stream.consent().then(answered, answered);
    this.#watch(0, stream);
    if (number % 2 === 0) stream.write(Buffer.alloc(number));
  }

  #answer(how: 'accept' | 'refuse'): void {
    const stream = this.arrived.shift();
    if (!stream) return;
    if (how === 'refuse') return stream.reset('denied', 'no');
    stream.accept();
    this.#watch(1, stream);
  }

  #watch(side: 0 | 1, stream: TunnelStream): void {
    this.watchers[side].push(new Watcher(stream, (text) => void this.faults.push(text)));
  }
}

function bent(piece: Buffer, how: number): Buffer {
  if (how === 0 || piece.length === 0) return piece;
  const at = how % piece.length;
  piece[at] = piece[at]! ^ (1 << (how % 8));
  return piece;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** @returns what went wrong; undefined when nothing did */
export async function run(program: Program): Promise<string | undefined> {
  const stray: string[] = [];
  const onStray = (error: unknown) => void stray.push(`nobody caught: ${textOf(error)}`);
  process.on('uncaughtException', onStray).on('unhandledRejection', onStray);
  try {
    const world = new World(program);
    for (const step of program.steps) await world.step(step);
    await world.end();
    return [...world.faults, ...stray][0];
  } catch (error) {
    return `thrown: ${textOf(error)}`;
  } finally {
    process.off('uncaughtException', onStray).off('unhandledRejection', onStray);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
