import { INTENTIONS } from '#kube/types.ts';

import { StatusWriter } from '../../control-loop/status-writer.ts';
import type { MakeDuty } from '../context.ts';
import { IntentionController } from './controller.ts';

/** Keeps the status of intentions. */
export const intentionDuty: MakeDuty = (context) =>
  new IntentionController({
    ...context,
    intentions: context.caches.intentions,
    status: new StatusWriter(INTENTIONS, context),
  });
