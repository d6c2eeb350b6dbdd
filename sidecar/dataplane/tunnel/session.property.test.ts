import * as fc from 'fast-check';

import { MAX_STREAM_WINDOW } from './receive-window.ts';
import { PAIR_BUDGET, SessionPair, turn } from './session-pair.fake.ts';
import { StreamEnd } from './stream-end.fake.ts';

/** Whatever two sides do with the streams of a tunnel, and however the bytes between them are cut up and held back. */

type Side = 0 | 1;
type Step =
  | { readonly do: 'open'; readonly early: number }
  | { readonly do: 'accept' }
  | { readonly do: 'refuse' }
  | { readonly do: 'say'; readonly stream: number; readonly side: Side; readonly bytes: number }
  | { readonly do: 'finish' | 'reset' | 'pause' | 'resume'; readonly stream: number; readonly side: Side }
  | { readonly do: 'deliver'; readonly side: Side; readonly bytes: number; readonly times: number }
  | { readonly do: 'turn' };

const side = fc.constantFrom<Side>(0, 1);
const stream = fc.nat(30);
const size = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 1, max: 40_000 }),
  fc.integer({ min: 60_000, max: 200_000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), early: size }) },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'accept' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'refuse' }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('say' as const), stream, side, bytes: size }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('finish' as const), stream, side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), stream, side }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause' as const), stream, side }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resume' as const), stream, side }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      side,
      bytes: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 })),
      times: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 8, arbitrary: fc.constant<Step>({ do: 'turn' }) },
);

interface Talk {
  readonly ends: [StreamEnd | undefined, StreamEnd | undefined];
  /** Somebody reset it, while it was open at that end. */
  wasReset: boolean;
}

class Run {
  readonly pair = new SessionPair();
  readonly talks: Talk[] = [];

  async step(what: Step): Promise<void> {
    const { pair } = this;
    if (what.do === 'open') return this.#open(what.early);
    if (what.do === 'accept') return this.#accept();
    if (what.do === 'refuse') return this.#refuse();
    if (what.do === 'turn') return turn();
    if (what.do === 'deliver') {
      for (let time = 0; time < what.times; time++) pair.deliver(what.side, what.bytes);
      return;
    }
    const talk = this.talks[what.stream % (this.talks.length || 1)];
    const end = talk?.ends[what.side];
    if (!talk || !end || end.end) return;
    if (what.do === 'say') end.say(what.bytes);
    else if (what.do === 'reset') {
      talk.wasReset = true;
      end.stream.reset('app-reset', 'as the program says');
    } else end[what.do]();
  }

  /** Lets everything come to its end: all paused go on, all that is open is finished. */
  async finish(): Promise<void> {
    await this.pair.settle(50_000);
    while (this.pair.arrived.length > 0) this.#accept();
    for (const end of this.ends) end.resume();
    await this.pair.settle(50_000);
    for (const end of this.ends) if (!end.end) end.finish();
    await this.pair.settle(50_000);
  }

  get ends(): readonly StreamEnd[] {
    return this.talks.flatMap(({ ends }) => ends.filter((end) => end !== undefined));
  }

  #open(early: number): void {
    if (this.talks.length >= 12) return;
    const near = this.pair.dialer.open({ port: 80 });
    const end = new StreamEnd(near, near.id * 2, near.id * 2 + 1);
    near.carry(end);
    near.consent().catch(() => undefined);
    end.say(early);
    this.talks.push({ ends: [end, undefined], wasReset: false });
  }

  #accept(): void {
    const far = this.pair.arrived.shift();
    if (!far) return;
    const talk = this.talks[far.id - 1]!;
    if (far.isClosed) return;
    far.accept();
    const end = new StreamEnd(far, far.id * 2 + 1, far.id * 2);
    talk.ends[1] = end;
    far.carry(end);
  }

  #refuse(): void {
    const far = this.pair.arrived.shift();
    if (!far || far.isClosed) return;
    this.talks[far.id - 1]!.wasReset = true;
    far.reset('denied', 'not you');
  }
}

function expectWhole({ ends, wasReset }: Talk): void {
  const near = ends[0]!;
  const far = ends[1];
  expect([near.faults, far?.faults ?? []]).toEqual([[], []]);
  if (wasReset) {
    expect([near.end?.clean, far?.end?.clean ?? false]).not.toEqual([true, true]);
    expect(near.heard).toBeLessThanOrEqual(far?.said ?? 0);
    expect(far?.heard ?? 0).toBeLessThanOrEqual(near.said);
    return;
  }
  for (const end of [near, far]) expect(end).toMatchObject({ end: { clean: true }, peerEnded: true });
  expect([far!.heard, near.heard]).toEqual([near.said, far!.said]);
}

test('every byte arrives once and in order, or the stream ends with a reset; nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 250, size: 'max' }), async (steps) => {
      const run = new Run();
      const { pair } = run;
      for (const what of steps) {
        await run.step(what);
        for (const end of run.ends) {
          expect(end.faults).toEqual([]);
          if (end.paused) expect(end.heardPaused).toBeLessThanOrEqual(MAX_STREAM_WINDOW);
        }
      }
      await run.finish();
      expect(pair.ends).toEqual({});
      for (const talk of run.talks) expectWhole(talk);
      expect([pair.dialer.streams, pair.acceptor.streams]).toEqual([0, 0]);
      expect(pair.budgetLeft).toBe(PAIR_BUDGET);
      await pair.stop();
      expect(pair.clock.pendingTimers).toBe(0);
    }),
    { numRuns: Number(process.env['MESH_PROPERTY_RUNS'] ?? 40) },
  );
}, 240_000);
