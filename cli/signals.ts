/** Resolves with the first of the signals by which people and programs end a process. A second one ends it at once. */
export function endSignal(): { readonly signalled: Promise<NodeJS.Signals>; readonly signal: AbortSignal } {
  const controller = new AbortController();
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (controller.signal.aborted) process.exit(1);
        controller.abort();
        resolve(name);
      });
    }
  });
  return { signalled, signal: controller.signal };
}
