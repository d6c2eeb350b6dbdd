/** Names and numbers inside the operator's own realm. */

/** The port of the operator's Service where certificates are signed, and of the container behind it; the chart has it too. */
export const SIGNING_PORT = 8443;

/** The Lease, in the mesh's namespace, that says which replica runs the controllers. */
export const LEASE_NAME = 'mesh-operator';

/** Who wrote a field, in server-side apply. */
export const FIELD_MANAGER = 'mesh-operator';

/** The name of both webhook configurations. */
export const WEBHOOK_NAME = 'mesh';

/** On the MeshConfig: whoever writes another text there asks for new webhook paths. */
export const RENEW_PATHS_ANNOTATION = 'mesh.dev/renew-webhook-paths';

/**
 * Name of every binding of sidecars, so that the operator's right to change bindings can be limited to it (decision 0030): a RoleBinding
 * in each namespace with injected pods, another in the mesh's namespace, and one ClusterRoleBinding.
 */
export const ACCESS_NAME = 'mesh-sidecar';
