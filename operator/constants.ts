/** Names inside the operator's own realm. */

/** The Lease, in the mesh's namespace, that says which replica runs the controllers. */
export const LEASE_NAME = 'mesh-operator';

/** Who wrote a field, in server-side apply. */
export const FIELD_MANAGER = 'mesh-operator';

/** The name of both webhook configurations. */
export const WEBHOOK_NAME = 'mesh';

/** On the MeshConfig: whoever writes another text there asks for new webhook paths. */
export const RENEW_PATHS_ANNOTATION = 'mesh.dev/renew-webhook-paths';
