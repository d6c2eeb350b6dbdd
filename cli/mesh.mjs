#!/usr/bin/env node
// The `mesh` command: runs cli/main.ts as it is written, without a build.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
