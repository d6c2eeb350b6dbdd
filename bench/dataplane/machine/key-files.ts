import type { Side } from './certificates.ts';
import type { House } from './house.ts';

/** Paths of PEM files, as most programs want them. */
export interface KeyFiles {
  readonly root: string;
  readonly cert: string;
  readonly key: string;
}

/** Writes one side's certificate and key, and the root both sides trust. */
export function keyFiles(house: House, side: Side): KeyFiles {
  return {
    root: house.file('root.pem', house.certificates.rootPem),
    cert: house.file('cert.pem', side.certPem),
    key: house.file('key.pem', side.keyPem),
  };
}
