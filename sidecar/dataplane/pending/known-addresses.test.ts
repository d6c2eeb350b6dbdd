import { FakeClock } from '#base/testing/clock.fake.ts';

import { KnownAddresses } from './known-addresses.ts';

test('an address is known for an hour after the last peer that was let in', async () => {
  const clock = new FakeClock();
  const known = new KnownAddresses({ clock });
  expect(known.has('10.0.0.1')).toBe(false);
  known.add('10.0.0.1');
  await clock.advance(3_500_000);
  known.add('10.0.0.1');
  await clock.advance(3_500_000);
  expect(known.has('10.0.0.1')).toBe(true);
  await clock.advance(200_000);
  expect(known.has('10.0.0.1')).toBe(false);
});

test('of very many addresses those are kept from which peers came last', () => {
  const known = new KnownAddresses({ clock: new FakeClock() });
  for (let index = 0; index < 10_000; index++) {
    known.add('10.0.0.1');
    known.add(`address ${index}`);
  }
  expect(known.has('10.0.0.1')).toBe(true);
  expect(known.has('address 9999')).toBe(true);
  expect(known.has('address 1')).toBe(false);
});
