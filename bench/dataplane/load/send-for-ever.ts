import type { Socket } from 'node:net';

import { PATTERN } from './pattern.ts';

/** Writes the pattern again and again, as fast as the other side takes it. */
export function sendForEver(socket: Socket): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(PATTERN));
  };
  socket.on('drain', more);
  more();
}
