import fc from 'fast-check';

import { isDnsLabel, nameFault, namespaceName, serviceName } from './names.ts';

describe('a name', () => {
  test.each(['a', 'db', 'web-2', '0', 'a'.repeat(63), 'x--y'])('%j is a DNS label', (text) => {
    expect(isDnsLabel(text)).toBe(true);
    expect(nameFault('service name', text)).toBeUndefined();
  });

  test.each([
    '',
    '-a',
    'a-',
    'A',
    'a.b',
    'a_b',
    'ä',
    'a b',
    'a\n',
    '*',
    'a*',
    'a'.repeat(64),
    'a/b',
    '\u0000',
    'ａ',
  ])('%j is none', (text) => {
    expect(isDnsLabel(text)).toBe(false);
    expect(nameFault('service name', text)).toBeDefined();
  });

  test('says what to write instead', () => {
    expect(nameFault('service name', 'DB')).toBe('service name "DB": upper case is not allowed; write "db"');
    expect(nameFault('service name', '')).toBe('service name is empty');
    expect(nameFault('service name', 'd*', true)).toContain(
      'a wildcard stands alone; write "*" for all, or a whole name',
    );
    expect(nameFault('namespace', '*')).toContain('a wildcard is not allowed here');
    expect(nameFault('namespace', 'a'.repeat(64))).toContain('longer than 63');
    expect(nameFault('namespace', 'a_b')).toContain('only a-z, 0-9 and "-"');
  });

  test('may be the wildcard only where that is allowed', () => {
    expect(nameFault('service name', '*', true)).toBeUndefined();
    expect(nameFault('service name', '*')).toBeDefined();
  });

  test('never fails on any text, and repeats little of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5000 }), (text) => {
        const fault = nameFault('service name', text, true);
        expect((fault ?? '').length).toBeLessThan(800);
        // Control characters of the text must not reach a terminal.
        expect(fault ?? '').not.toMatch(/[\u0000-\u001f]/);
      }),
    );
  });

  test('throws a sentence where a wrong one cannot be borne', () => {
    expect(serviceName('db')).toBe('db');
    expect(namespaceName('shop')).toBe('shop');
    expect(() => serviceName('DB')).toThrow(RangeError);
    expect(() => namespaceName('')).toThrow('namespace is empty');
  });
});
