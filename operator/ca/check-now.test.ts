import { checkNow } from './check-now.ts';

const provider = (check: (signal: AbortSignal) => Promise<void>) => ({ name: 'vault', check });

test('an authority that is there is no error', async () => {
  await expect(checkNow(provider(() => Promise.resolve()))).resolves.toBeUndefined();
});

test('what an authority says is wrong is the error', async () => {
  const refuses = provider(() => Promise.reject(new Error('Vault is sealed')));
  await expect(checkNow(refuses)).rejects.toThrow('Vault is sealed');
});

test('an authority that says nothing is given up, with a sentence that names it', async () => {
  const silent = provider(
    (signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      ),
  );
  await expect(checkNow(silent, 20)).rejects.toThrow('vault did not answer within 0.02 s');
});
