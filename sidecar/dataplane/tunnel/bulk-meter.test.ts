import { BulkMeter } from './bulk-meter.ts';

const MIB = 1_048_576;

/** So many bytes in pieces of one size, then asked at a time. */
function moved(meter: BulkMeter, bytes: number, piece: number): void {
  for (let at = 0; at < bytes; at += piece) meter.moved(piece);
}

test('much in large pieces is a bulk transfer, until it is over', () => {
  const meter = new BulkMeter();
  expect(meter.isHeavy(10_000)).toBe(false);
  moved(meter, 8 * MIB, 65_536);
  expect(meter.isHeavy(10_200)).toBe(true);
  expect(meter.isHeavy(10_400)).toBe(false);
});

test('as much in small pieces is none: those are requests and answers', () => {
  const meter = new BulkMeter();
  meter.isHeavy(10_000);
  moved(meter, 8 * MIB, 16_000);
  expect(meter.isHeavy(10_200)).toBe(false);
});

test('a large piece now and then is none', () => {
  const meter = new BulkMeter();
  meter.isHeavy(10_000);
  moved(meter, 3 * MIB, 65_536);
  expect(meter.isHeavy(10_100)).toBe(false);
});

test('it does not change its mind within a tenth of a second', () => {
  const meter = new BulkMeter();
  meter.isHeavy(10_000);
  moved(meter, 64 * MIB, 65_536);
  expect(meter.isHeavy(10_099)).toBe(false);
  expect(meter.isHeavy(10_100)).toBe(true);
  expect(meter.isHeavy(10_199)).toBe(true);
  expect(meter.isHeavy(10_200)).toBe(false);
});
