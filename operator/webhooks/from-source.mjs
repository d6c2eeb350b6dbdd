// The webhooks' thread from its source: threads do not take over how the process that starts them reads TypeScript.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
