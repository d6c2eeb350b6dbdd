import { chooseBackend } from '../cluster/choose.ts';
import { installMesh } from '../kit/mesh.ts';

/** Before the suite: the cluster must be up; the mesh is installed when it is not. */
export default async function globalSetup(): Promise<void> {
  const { up } = await (await chooseBackend()).status();
  if (!up)
    throw new Error(
      'the test cluster is not up; run `npm run cluster -- up` and `npx tsx e2e/images.ts` first, or `npm test`',
    );
  await installMesh();
}
