import { MOUNT_PATHS, VOLUMES } from './context.ts';

const TOKEN_SECONDS = 3600;

/**
 * The two volumes of the sidecar, mounted into its container alone: a token for the API server with the server's
 * certificate, and a token that only the mesh's signer accepts. The ServiceAccount admission has run before us, so the
 * container gets none by itself; and a pod may have switched that mount off.
 */
export function sidecarVolumes(trustDomain: string): readonly object[] {
  return [
    {
      name: VOLUMES.kubeToken,
      projected: {
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        ],
      },
    },
    {
      name: VOLUMES.caToken,
      projected: {
        sources: [
          {
            serviceAccountToken: {
              path: 'token',
              audience: `mesh-ca.${trustDomain}`,
              expirationSeconds: TOKEN_SECONDS,
            },
          },
        ],
      },
    },
  ];
}

export const SIDECAR_MOUNTS = [
  { name: VOLUMES.kubeToken, mountPath: MOUNT_PATHS.kubeToken, readOnly: true },
  { name: VOLUMES.caToken, mountPath: MOUNT_PATHS.caToken, readOnly: true },
] as const;
