import { REFUSAL_TEXTS } from './refusal-texts.ts';
import { REFUSALS } from './refusals.ts';

test('every reason has a text, and nothing else has', () => {
  expect(Object.keys(REFUSAL_TEXTS).sort()).toEqual(Object.keys(REFUSALS).sort());
});

test.each(Object.entries(REFUSAL_TEXTS))(
  '%s is explained in sentences',
  (_reason, { meaning, seenBy, action }) => {
    expect(meaning).toMatch(/^[A-Z].{15,}[^.]\.$/);
    expect(action).toMatch(/^[A-Z].{6,}[^.]\.$/);
    expect(seenBy).toMatch(/^[^A-Z].{10,}[^.]$/);
  },
);
