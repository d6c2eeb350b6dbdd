import { UsageError, parseOptions } from './options.ts';

test('everything by default', () => {
  expect(parseOptions([])).toMatchObject({
    rounds: 5,
    seconds: 4,
    only: expect.arrayContaining(['mesh', 'nginx']),
  });
});

test('some proxies and workloads, in the order of the table', () => {
  const args = ['--only', 'haproxy,mesh', '--work', 'bulk, keep-alive', '--rounds', '2', '--seconds', '1'];
  expect(parseOptions(args)).toEqual({
    only: ['mesh', 'haproxy'],
    work: ['keep-alive', 'bulk'],
    rounds: 2,
    seconds: 1,
  });
});

test('JSON goes to a file or to standard output', () => {
  expect(parseOptions(['--json'])).toMatchObject({ json: true });
  expect(parseOptions(['--json', 'a.json', '--chart', 'a.svg'])).toMatchObject({
    json: 'a.json',
    chart: 'a.svg',
  });
});

test.each([
  [['--only', 'envoy'], '--only "envoy" is unknown: write some of direct,'],
  [['--work', ''], '--work "" is unknown'],
  [['--rounds', '0'], '--rounds "0" is not a valid number: write a whole number above 0.'],
  [['--seconds', '1.5'], '--seconds "1.5"'],
  [['--speed', '1'], "unknown option '--speed'; --help shows what there is."],
  [['now'], 'too many arguments'],
])('%j is refused in one sentence', (args, sentence) => {
  expect(() => parseOptions(args)).toThrow(UsageError);
  expect(() => parseOptions(args)).toThrow(sentence);
});

test('help has examples', () => {
  expect(parseOptions(['--help'])).toEqual({ help: expect.stringContaining('--only mesh,haproxy') });
});
