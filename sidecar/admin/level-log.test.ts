import { LevelLog } from './level-log.ts';

function setUp(level: ConstructorParameters<typeof LevelLog>[0]) {
  const lines: string[] = [];
  const log = new LevelLog(level, (line) => lines.push(line));
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, parsed };
}

test('a line is one JSON object with level, time, fields and message', () => {
  const { log, lines, parsed } = setUp('info');
  log.logger({ name: 'sidecar' }).child({ peer: 'web' }).warn({ port: 80 }, 'connection refused\nand more');
  expect(lines[0]?.endsWith('}\n')).toBe(true);
  expect(lines[0]?.trimEnd()).not.toContain('\n');
  expect(parsed()[0]).toMatchObject({
    level: 'warn',
    name: 'sidecar',
    peer: 'web',
    port: 80,
    msg: 'connection refused\nand more',
  });
  expect(Date.parse(String(parsed()[0]?.time))).toBeGreaterThan(0);
});

test('the level can be changed for loggers that exist', () => {
  const { log, lines } = setUp('error');
  const logger = log.logger({}).child({});
  logger.info({}, 'not heard');
  log.setLevel('debug');
  logger.debug({}, 'heard');
  log.setLevel('silent');
  logger.error({}, 'not heard');
  expect(lines).toHaveLength(1);
});

test('errors keep their message and code, and nothing makes logging fail', () => {
  const { log, parsed } = setUp('info');
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log.logger({}).error({ err: Object.assign(new TypeError('no'), { code: 'E_NO' }) }, 'failed');
  log.logger({}).error({ circle }, 'circle');
  log.logger({}).error({ big: 1n }, 'big');
  expect(parsed()[0]?.err).toMatchObject({ type: 'TypeError', message: 'no', code: 'E_NO' });
  expect(parsed()).toHaveLength(3);
});

test('what a peer wrote is bounded, and escaped where a terminal or a reader would take it for something else', () => {
  const { log, lines, parsed } = setUp('info');
  const decision = `\u009b2J\u202e${'x'.repeat(100_000)}`;
  log
    .logger({})
    .warn({ decision, list: Array(10_000).fill('y'), err: new Error(decision) }, 'connection refused');
  expect(lines[0]?.length).toBeLessThan(20_000);
  expect(lines[0]).not.toMatch(/[\u0080-\u009f\u202a-\u202e]/);
  const written = String(parsed()[0]?.decision);
  expect(written.slice(0, 7)).toBe('\u009b2J\u202exxx');
  expect(written.slice(-30)).toContain('(95908 more characters)');
});
