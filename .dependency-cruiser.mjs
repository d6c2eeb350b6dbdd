/**
 * The rooms of the house, and what each may import of ours (docs/decisions/0001-rooms.md): arrows point down only. `npm run check`
 * holds this, and that there is no circle.
 */
const ROOMS = {
  base: [],
  core: ['base'],
  pki: ['base', 'core'],
  kube: ['base', 'core'],
  webhook: ['base', 'core', 'pki', 'kube'],
  sidecar: ['base', 'core', 'pki', 'kube'],
  operator: ['base', 'core', 'pki', 'kube', 'webhook'],
  local: ['base', 'core', 'pki', 'kube', 'webhook', 'sidecar', 'operator'],
  cli: ['base', 'core', 'pki', 'kube', 'local'],
  examples: [],
};

/** The rooms within a room, the lowest first: each imports only those before it. Their test rooms may be used by all tests. */
const FLOORS = {
  core: [['net'], ['pod']],
  kube: [['cluster'], ['client'], ['watch', 'control']],
  sidecar: [['config', 'redirect'], ['dataplane'], ['sources'], ['admin'], ['process'], ['cores']],
  'sidecar/dataplane': [
    ['interfaces', 'memory', 'pending'],
    ['refusals'],
    ['bytes', 'original-destination'],
    ['peer'],
    ['connection'],
    ['transport'],
    ['single-stream'],
    ['tunnel'],
    ['inbound', 'outbound'],
  ],
  operator: [
    ['config', 'metrics'],
    ['resources', 'server', 'sidecar-commands'],
    ['control-loop'],
    ['ca', 'federation'],
    ['audit'],
    ['signing'],
    ['webhooks'],
    ['controllers'],
    ['composition'],
    ['uninstall', 'upgrade'],
  ],
  local: [['apiserver'], ['dev', 'run']],
};

const TESTS = '\\.(test|fake|suite)\\.ts$|/testing/';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circle',
      severity: 'error',
      from: { pathNot: TESTS },
      to: { circular: true },
    },
    ...Object.entries(ROOMS).map(([room, below]) => ({
      name: `room-${room}`,
      comment: `The room ${room} imports only: ${below.join(', ') || 'nothing of ours'}.`,
      severity: 'error',
      from: { path: `^${room}/` },
      to: {
        path: '^(base|core|pki|kube|webhook|sidecar|operator|local|cli|e2e|bench|scripts|examples)/',
        pathNot: `^(${[room, ...below].join('|')})/`,
      },
    })),
    ...Object.entries(FLOORS).flatMap(([room, floors]) =>
      floors.flatMap((floor, index) =>
        floor.map((part) => ({
          name: `part-${room}-${part}`,
          comment: `${room}/${part} imports only what is below it.`,
          severity: 'error',
          from: { path: `^${room}/${part}/`, pathNot: TESTS },
          to: {
            path: `^${room}/(${[...floor.filter((other) => other !== part), ...floors.slice(index + 1).flat()].join('|') || '(?!)'})/`,
          },
        })),
      ),
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules|dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
