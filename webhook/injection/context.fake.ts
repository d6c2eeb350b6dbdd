import type { InjectionContext } from './context.ts';

/** A context as an operator with default settings has it. */
export function injectionContext(change: Partial<InjectionContext> = {}): InjectionContext {
  return {
    namespace: 'shop',
    namespaceLabels: {},
    meshNamespace: 'mesh',
    excludedNamespaces: ['build'],
    trustDomain: 'cluster.local',
    image: 'mesh-sidecar:0.1.0',
    pullPolicy: 'IfNotPresent',
    style: 'native',
    defaults: {},
    meshServices: [],
    now: Date.UTC(2026, 5, 1),
    operatorUrl: 'https://mesh-operator.mesh.svc:8443',
    nonce: '0b4a6b0e-2f3d-4c0c-9d0a-1a2b3c4d5e6f',
    ...change,
  };
}
