/**
 * Why a pod whose namespace asks for the mesh was left out of it: the value of the label `mesh.dev/left-out`, and a sentence for the
 * pod's Event. Only a pod that says something about the mesh itself is refused.
 */
export const LEFT_OUT_REASONS: Readonly<Record<string, string>> = {
  'no-service-name':
    'nothing says which service it is; write the annotation mesh/service, or give it a ServiceAccount of its own',
  'bad-annotation': 'an annotation of the mesh on it cannot be read',
  'host-network': 'it shares the network of its node',
  windows: 'it runs on Windows nodes',
  'uid-clash': "it runs as the sidecar's user",
  'name-clash': "one of its containers has the name of one of the mesh's",
  'volume-clash': "one of its volumes or mounts is in the place of one of the mesh's",
  'port-clash': "one of its containers listens on a port of the sidecar's",
  'too-large': 'it has more containers, volumes or ports than a pod of the mesh may have',
};

/** Whether this is a value that injection writes into the label. */
export function isLeftOutReason(value: string): boolean {
  return Object.hasOwn(LEFT_OUT_REASONS, value);
}
