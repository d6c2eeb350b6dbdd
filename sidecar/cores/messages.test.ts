import fc from 'fast-check';

import { READ_ANSWER, readFromWorker, readToWorker } from './messages.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { readOr } from './reading.ts';

const TO_WORKER: readonly ToWorker[] = [
  { kind: 'ask', id: 1, ask: { subject: 'readiness' } },
  {
    kind: 'ask',
    id: 2,
    ask: { subject: 'local', method: 'GET', path: '/policy', query: 'source=web', body: '' },
  },
  { kind: 'stop', busy: false, minimumMs: 0, deadlineMs: 25_000 },
  { kind: 'busy', busy: true },
  { kind: 'log-level', level: 'debug' },
  { kind: 'ask', id: 4, ask: { subject: 'vouch', hash: 'ab', shown: ['pem'] } },
  { kind: 'vouched', id: 5, renewed: true },
];
const FROM_WORKER: readonly FromWorker[] = [
  { kind: 'started' },
  { kind: 'finish' },
  { kind: 'answer', id: 3, value: ['policy'] },
  { kind: 'vouch', id: 6, hash: 'ab', shown: ['pem'] },
];

const overTheChannel = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('messages between primary and workers', () => {
  test.each(TO_WORKER)('to a worker: $kind arrives as it was sent', (message) => {
    expect(readToWorker(overTheChannel(message))).toEqual(message);
  });

  test.each(FROM_WORKER)('from a worker: $kind arrives as it was sent', (message) => {
    expect(readFromWorker(overTheChannel(message))).toEqual(message);
  });

  test.each([
    null,
    'stop',
    [],
    {},
    { kind: 'dance' },
    { kind: 'ask', id: 'x', ask: { subject: 'readiness' } },
    { kind: 'ask', id: 1, ask: { subject: 'keys' } },
    { kind: 'ask', id: 1, ask: { subject: 'local', method: 'GET', path: 5, query: '', body: '' } },
    { kind: 'stop', busy: false, minimumMs: 0 },
    { kind: 'stop', busy: 'no', minimumMs: 0, deadlineMs: 1 },
    { kind: 'log-level', level: 'loud' },
  ])('%j is no message to a worker', (value) => {
    expect(readToWorker(value)).toBeUndefined();
  });

  test('are passed over, whatever else comes, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        readFromWorker(value);
        readToWorker(value);
        for (const read of Object.values(READ_ANSWER)) readOr<unknown>(undefined, () => read(value));
      }),
    );
  });

  test('have answers that are read strictly', () => {
    expect(READ_ANSWER.readiness(['policy'])).toEqual(['policy']);
    expect(READ_ANSWER.local({ status: 200, body: 'x', type: 'y', more: 1 })).toEqual({
      status: 200,
      body: 'x',
      type: 'y',
    });
    expect(() => READ_ANSWER.readiness([5])).toThrow(TypeError);
    expect(() =>
      READ_ANSWER.metrics([{ name: 'x', help: '', type: 'sum', labels: [], samples: [] }]),
    ).toThrow(TypeError);
    const sample = { name: 'x', help: '', type: 'gauge', labels: [], samples: [{ value: null }] };
    expect(() => READ_ANSWER.metrics([sample])).toThrow(TypeError);
  });
});
