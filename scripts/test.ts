/**
 * `npm test`: every test there is. What this machine cannot run is named as skipped, with the reason.
 * `npm test -- --fast` leaves out the real-cluster suite; `npm test -- --keep` leaves the cluster up afterwards.
 */
import { memoryLimitObstacle } from '../e2e/attacks/kit/memory-limit.ts';
import { kubeconfigPath } from '../e2e/cluster/paths.ts';
import { clusterObstacle, netnsObstacle } from './machine.ts';
import { runSteps } from './steps.ts';

const fast = process.argv.includes('--fast');
const keep = process.argv.includes('--keep');
/** `--forceExit` below: a handle that a test leaves open must not keep the whole run waiting. */
const jest = ['node', 'scripts/run.mjs', 'jest'] as const;
const noCluster = fast ? 'left out by --fast' : clusterObstacle();

const passed = runSteps([
  {
    name: 'types, lint, rooms, format, generated files',
    command: ['node_modules/.bin/tsx', 'scripts/check.ts'],
  },
  { name: 'unit and integration tests', command: [...jest, '--selectProjects', 'unit'] },
  {
    name: 'redirection in network namespaces',
    command: [...jest, '--selectProjects', 'netns', '--runInBand'],
    skip: netnsObstacle(),
  },
  {
    name: 'attacks, at the memory limits of the chart',
    command: [...jest, '--selectProjects', 'attacks', '--runInBand', '--forceExit'],
    skip: memoryLimitObstacle(),
  },
  {
    name: 'a real cluster, up',
    command: ['node_modules/.bin/tsx', 'e2e/cluster/main.ts', 'up'],
    skip: noCluster,
  },
  {
    // Before a mesh is there, whose operator would write to what the contract makes. One file after another: each brings the definitions and takes them away.
    name: 'the contract of the embedded API, on the real API server',
    command: [...jest, '--selectProjects', 'unit', '--runInBand', 'local/apiserver/contract'],
    env: { MESH_CONTRACT_KUBECONFIG: kubeconfigPath() },
    skip: noCluster,
  },
  { name: 'images', command: ['node_modules/.bin/tsx', 'e2e/images.ts'], skip: noCluster },
  {
    name: 'end to end on the real cluster',
    command: [...jest, '--selectProjects', 'e2e', '--runInBand'],
    skip: noCluster,
  },
  {
    name: 'the cluster, down',
    command: ['node_modules/.bin/tsx', 'e2e/cluster/main.ts', 'down'],
    skip: noCluster ?? (keep ? 'left up by --keep' : undefined),
    always: true,
  },
]);
process.exitCode = passed ? 0 : 1;
