#!/usr/bin/env node
// The `mesh` command: runs cli/main.ts as it is written, without a build.
import { register } from 'tsx/esm/api';

// Node would open its inspector (base/inspector.ts).
process.on('SIGUSR1', () => undefined);
register();
await import('./main.ts');
