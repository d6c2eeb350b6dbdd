/** Names that processes of one mesh without a cluster agree on. */

/** The mesh's own namespace, as the chart's documentation has it. */
export const MESH_NAMESPACE = 'mesh-system';
/** The name by which processes of this machine reach the operator; it is in its certificate. */
export const OPERATOR_ADDRESS = 'localhost';
/** The ConfigMap in the mesh's namespace that says where the operator is. */
export const OPERATOR_CONFIG_MAP = 'mesh-operator-address';
/** On pods that stand for a process that `mesh run` started: it keeps a Lease of the pod's name. */
export const RUN_LABEL = 'mesh.dev/run';
/** How long such a process may be silent, seconds. */
export const LEASE_SECONDS = 20;
