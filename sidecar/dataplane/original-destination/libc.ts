import type { LibraryHandle } from 'koffi';

/**
 * The C library of this process, for the few system calls that Node has no function for.
 *
 * @throws Error when it cannot be called, such as with a Node whose C library koffi has no binary for
 */
export async function loadLibc(): Promise<LibraryHandle> {
  const { default: koffi } = await import('koffi');
  return koffi.load(null);
}
