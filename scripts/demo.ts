/** `npm run demo`: the main job, on this machine alone or, with `--cluster`, on a real cluster on it. */
import { parseArgs } from 'node:util';

const HELP = `npm run demo               the mesh on this machine: two services, refused, allowed, cut off
npm run demo -- --keep     the same, and stays up to try things by hand
npm run demo -- --cluster  the same on a real Kubernetes cluster that is brought up here (also with --keep)`;

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    cluster: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) console.log(HELP);
else if (values.cluster) {
  const { demoOnCluster } = await import('./demo-cluster.ts');
  process.exitCode = await demoOnCluster(values.keep);
} else {
  const { demoHere } = await import('./demo-here.ts');
  process.exitCode = await demoHere(values.keep);
}
