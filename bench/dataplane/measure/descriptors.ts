/**
 * How many files and sockets a process may have open: `hard` is how far it may raise that itself.
 *
 * @param limits the text of `/proc/PID/limits`
 */
export function descriptorLimit(limits: string): { readonly soft: number; readonly hard: number } {
  const [, soft, hard] = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(limits) ?? [];
  const number = (text: string | undefined): number =>
    text === 'unlimited' ? Infinity : Number(text ?? NaN);
  return { soft: number(soft), hard: number(hard) };
}
