/** `npm run check`: everything that needs no running program: types, lint, rooms, unused code, format, generated files. */
import { runSteps } from './steps.ts';

process.exitCode = runSteps([
  { name: 'types', command: ['node_modules/.bin/tsc', '--noEmit'] },
  { name: 'lint', command: ['node_modules/.bin/eslint', '.', '--max-warnings=0'] },
  {
    name: 'rooms, no circle',
    command: ['node_modules/.bin/depcruise', '--config', '.dependency-cruiser.mjs', '.'],
  },
  { name: 'unused code', command: ['node_modules/.bin/knip', '--no-progress'] },
  { name: 'words', command: ['node_modules/.bin/tsx', 'scripts/words.ts'] },
  { name: 'format', command: ['node_modules/.bin/prettier', '--check', '--log-level=warn', '.'] },
  { name: 'generated files', command: ['node_modules/.bin/tsx', 'scripts/generate.ts', '--check'] },
])
  ? 0
  : 1;
