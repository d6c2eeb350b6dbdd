import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { REFUSALS } from '#core/refusals.ts';
import type { RefusalReason, ResetReason } from '#core/refusals.ts';
import { noMetrics } from '../interfaces/data-plane-metrics.ts';
import type { Direction } from '../interfaces/data-plane-metrics.ts';
import { ConnectionRefusal } from './refusal.ts';
import { Reporter } from './reporter.ts';
import { StreamReset, codeOf } from './reset-reason.ts';

const PARTIES = { source: 'spiffe://mesh.example/ns/shop/sa/web', destination: 'shop/db' };

function levels(direction: Direction, act: (reporter: Reporter) => void): string[] {
  const log = new FakeLog();
  act(new Reporter(direction, { clock: new FakeClock(), log, metrics: noMetrics }));
  return log.lines.map(({ level }) => level);
}

test.each<[RefusalReason, Direction, string]>([
  ['denied', 'inbound', 'warn'],
  ['denied', 'outbound', 'warn'],
  ['client-gone', 'inbound', 'debug'],
  ['client-gone', 'outbound', 'debug'],
  ['not-ready', 'inbound', 'debug'],
  ['not-ready', 'outbound', 'warn'],
])('%s, %s, is told as %s', (reason, direction, level) => {
  const why = new ConnectionRefusal(reason, 'why');
  expect(levels(direction, (reporter) => reporter.refused(PARTIES, why))).toEqual([level]);
});

test('every cut is a warning', () => {
  const reasons = Object.keys(REFUSALS) as RefusalReason[];
  for (const reason of reasons) {
    const why = new ConnectionRefusal(reason, 'why');
    expect(levels('inbound', (reporter) => reporter.cut(PARTIES, why))).toEqual(['warn']);
  }
});

test('ends that applications bring about are not told, all others are', () => {
  const ended = (code: number) =>
    levels('inbound', (reporter) => reporter.ended(PARTIES, new StreamReset({ code, text: '' })));
  const quiet: ResetReason[] = ['app-reset', 'idle', 'cancelled'];
  for (const reason of quiet) expect(ended(codeOf(reason))).toEqual([]);
  const told: ResetReason[] = ['denied', 'not-ready', 'limit', 'protocol-error', 'tunnel-lost'];
  for (const reason of told) expect(ended(codeOf(reason))).toEqual(['warn']);
  expect(ended(4_711)).toEqual(['warn']);
});
