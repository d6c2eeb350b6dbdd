/** `npm run check`: everything that needs no running program: types, lint, format, generated files. */
import { runSteps } from './steps.ts';

process.exitCode = runSteps([
  { name: 'types', command: ['node_modules/.bin/tsc', '--noEmit'] },
  { name: 'lint', command: ['node_modules/.bin/eslint', '.', '--max-warnings=0'] },
  { name: 'format', command: ['node_modules/.bin/prettier', '--check', '--log-level=warn', '.'] },
  { name: 'generated files', command: ['node_modules/.bin/tsx', 'scripts/generate.ts', '--check'] },
])
  ? 0
  : 1;
