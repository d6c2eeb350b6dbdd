import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { systemClock } from '#base/clock.ts';
import { freePort } from '#base/testing/free-port.fake.ts';

import { Http } from '../apiserver/contract/http.fake.ts';
import { DevProcess } from './dev-process.fake.ts';
import { Ledger } from './ledger.fake.ts';

/** `MESH_KILLS=200` for the long run. */
const KILLS = Number(process.env.MESH_KILLS ?? 3);
/** `mesh dev` takes some seconds to start on a busy machine. */
const ROUND_MS = 60_000;
const MESH_CONFIG = '/apis/mesh.dev/v1alpha1/meshconfigs/mesh';

test(
  `${KILLS} times killed in the middle of writes over HTTPS, mesh dev loses nothing it acknowledged, and keeps its authority`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mesh-dev-kill-'));
    const ledger = new Ledger();
    const authorities = new Set<string>();
    let running: DevProcess | undefined;
    try {
      for (let kill = 0; kill <= KILLS; kill++) {
        if (kill % 3 === 2) await startAndKill(folder);
        running = new DevProcess(folder, await freePort());
        const config = await running.up();
        const http = new Http(config);
        authorities.add(await authority(http, config));
        await ledger.check(http);
        if (kill === KILLS) break;
        const before = ledger.acknowledged;
        const writing = Promise.all([ledger.write(http), ledger.watch(http)]);
        while (ledger.acknowledged < before + 10) await systemClock.sleep(5);
        await systemClock.sleep(Math.random() * 300);
        await running.kill();
        await writing;
      }
      expect(authorities.size).toBe(1);
      if (KILLS > 10) console.log(`${ledger.acknowledged} acknowledged, ${ledger.unheard} happened unheard`);
    } finally {
      await running?.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  (KILLS + 1) * ROUND_MS,
);

/** Killed while it starts. */
async function startAndKill(folder: string): Promise<void> {
  const starting = new DevProcess(folder, await freePort());
  await systemClock.sleep(Math.random() * 2_000);
  await starting.kill();
}

/** Whom the mesh trusts, and whom clients of the API trust. */
async function authority(http: Http, { caPem }: ClusterConfig): Promise<string> {
  const { body } = await http.get(MESH_CONFIG);
  const roots = body.status.roots as readonly { readonly pem: string; readonly active: boolean }[];
  expect(roots).toHaveLength(1);
  return `${roots[0]?.pem ?? ''}${caPem ?? ''}`;
}
