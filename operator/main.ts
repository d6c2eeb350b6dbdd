#!/usr/bin/env node
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { SERVICE_ACCOUNT_DIR, inClusterConfig } from '#kube/cluster/in-cluster.ts';
import { errorText } from '#base/error-text.ts';
import { ignoreInspectorSignal } from '#base/inspector.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { jsonLog } from '#base/log.ts';
import type { Logger } from '#base/log.ts';

import packageJson from '../package.json' with { type: 'json' };
import { clusterFacts, injectionSettings } from './webhooks/admission.ts';
import type { AdmissionDeps } from './webhooks/admission.ts';
import { runAudit } from './audit/command.ts';
import { startOperator } from './composition/composition.ts';
import { OperatorConfigError, readConfig } from './config/config.ts';
import type { OperatorConfig } from './config/config.ts';
import { runUninstall } from './uninstall/main.ts';
import { runUpgrade } from './upgrade/main.ts';
import { WebhookThread } from './webhooks/webhook-thread.ts';

/** The control plane's process: `run` (or nothing) runs it, `version` says which one it is, `audit verify` looks at audit files, `uninstall` and `upgrade` are for the chart's hooks. */
async function main(args: readonly string[]): Promise<number> {
  ignoreInspectorSignal();
  if (args[0] === 'version') {
    process.stdout.write(`mesh operator ${packageJson.version}, Node.js ${process.version}\n`);
    return 0;
  }
  if (args[0] === 'uninstall') return runUninstall(process.env);
  if (args[0] === 'upgrade') return runUpgrade(args.slice(1), process.env);
  if (args[0] === 'audit')
    return runAudit(args.slice(1), (text) => void process.stdout.write(text), process.env);
  let config: OperatorConfig;
  try {
    config = readConfig(process.env);
  } catch (error) {
    if (!(error instanceof OperatorConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  return run(config, jsonLog('mesh-operator', config.logLevel));
}

async function run(config: OperatorConfig, log: Logger): Promise<number> {
  const clock = systemClock;
  const starting = new AbortController();
  const ended = new Promise<number>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.once(name, () => {
        log.info({ signal: name }, 'ending');
        starting.abort(new Error('told to end'));
        resolve(0);
      });
    }
    process.on('uncaughtException', (err) => {
      log.error({ err }, 'a fault of the operator; it ends and is started again');
      resolve(1);
    });
    process.on('unhandledRejection', (err) => {
      log.error({ err }, 'a fault of the operator; it ends and is started again');
      resolve(1);
    });
  });
  try {
    const api = new KubeClient({
      config: await clusterConfig(),
      clock,
      userAgent: `mesh-operator/${packageJson.version}`,
    });
    const operator = await startOperator(
      { config, api, clock, log, webhooks, replicas: { onLostLease: () => process.exit(1) } },
      starting.signal,
    );
    const code = await ended;
    await operator.stop();
    return code;
  } catch (err) {
    if (starting.signal.aborted) return 0;
    log.error({ err }, `the operator cannot start: ${errorText(err)}`);
    return 1;
  }
}

/** In a pod the pod's own account; elsewhere the kubeconfig. */
function clusterConfig(): Promise<ClusterConfig> {
  const { KUBERNETES_SERVICE_HOST, KUBECONFIG } = process.env;
  if (!KUBERNETES_SERVICE_HOST || KUBECONFIG) return kubeconfig();
  return inClusterConfig({ MESH_KUBE_TOKEN_DIR: SERVICE_ACCOUNT_DIR, ...process.env });
}

/** The thread's program: a file beside this one in the image, its source where this is a source. */
const WEBHOOKS_PROGRAM = import.meta.url.endsWith('.ts') ? './webhooks/from-source.mjs' : './webhooks.js';

/** The webhooks, in a thread of their own, fed from the operator's caches. */
function webhooks(parts: AdmissionDeps): WebhookThread {
  const { config, clock, log, metrics } = parts;
  return new WebhookThread(
    {
      port: config.webhookPort,
      ...(config.listenHost === undefined ? {} : { host: config.listenHost }),
      injection: injectionSettings(parts),
      logLevel: config.logLevel,
    },
    {
      entry: new URL(WEBHOOKS_PROGRAM, import.meta.url),
      facts: (question) => clusterFacts(question, parts),
      ...{ clock, log, metrics },
    },
  );
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
