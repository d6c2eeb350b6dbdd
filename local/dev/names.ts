/** Names that processes of one mesh without a cluster agree on. */

/** The mesh's own namespace, as the chart's documentation has it. */
export const MESH_NAMESPACE = 'mesh-system';
