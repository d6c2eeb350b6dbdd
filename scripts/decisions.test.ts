import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../docs/decisions');
const PAGES = readdirSync(FOLDER).filter((name) => name !== 'README.md');
const INDEX = readFileSync(join(FOLDER, 'README.md'), 'utf8');

test.each(PAGES)('%s says when it was decided and what its status is, and is in the index', (name) => {
  const [title, , status] = readFileSync(join(FOLDER, name), 'utf8').split('\n');
  expect(title).toMatch(new RegExp(`^# ${name.slice(0, 4)} `));
  expect(status).toMatch(/^_\d{4}-\d{2}-\d{2}, (accepted|superseded)/);
  expect(INDEX).toContain(`(${name})`);
});
