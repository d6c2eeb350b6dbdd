import type { Socket } from 'node:net';

import { localAddress } from './original-destination.ts';
import type { OriginalDestination, SocketAddress } from './original-destination.ts';

/** Says what the test wants: `fake.next = {address: '10.0.0.1', port: 80}`; the local address while nothing is set. */
export class FakeOriginalDestination implements OriginalDestination {
  next: SocketAddress | undefined;
  /** As when the kernel does not know. */
  unknown = false;

  of(socket: Socket): SocketAddress | undefined {
    return this.unknown ? undefined : (this.next ?? localAddress(socket));
  }
}
