import { renameSync, writeFileSync } from 'node:fs';

import { stringify } from 'yaml';

import type { EmbeddedApi } from './server/embedded-api.ts';

/** The way in, as kubectl reads it. Whoever has it may do everything. */
export function adminKubeconfig({ admin }: Pick<EmbeddedApi, 'admin'>): string {
  const name = 'mesh-dev';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [
      {
        name,
        cluster: {
          server: admin.server,
          'tls-server-name': admin.tlsServerName,
          'certificate-authority-data': Buffer.from(admin.caPem).toString('base64'),
        },
      },
    ],
    users: [{ name, user: { token: admin.adminToken } }],
  });
}

/** Writes a file that only its owner can read, whole or not at all. */
export function writeSecretFile(path: string, text: string): void {
  const next = `${path}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, path);
}
