/**
 * Keeps Node's inspector shut. On SIGUSR1 Node opens a port on which whoever reaches it runs programs inside this process, keys and
 * all (https://nodejs.org/api/process.html#signal-events: a listener of one's own takes the signal's meaning away). The images start
 * Node with `--disable-sigusr1` besides, which holds from the first moment; older versions of Node do not know that option.
 */
export function ignoreInspectorSignal(): void {
  process.on('SIGUSR1', () => undefined);
}
