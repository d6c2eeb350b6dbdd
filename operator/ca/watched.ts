import type { X509Certificate } from 'node:crypto';

import type { MeshConfigStatus } from '#core/model/mesh-config.ts';
import { sha256Hex } from '#pki/keys.ts';
import { validity } from '#pki/svid.ts';

import type { ServingPair } from '../server/serving-certificate.ts';
import type { Authority } from './authority.ts';
import type { WatchedCertificate } from './expiry.ts';

/** The certificates that the operator can see, as {@link file://./expiry.ts} looks at them. Those of workloads are with their sidecars. */
export function watchedCertificates(
  authority: Pick<Authority, 'activeRoot' | 'intermediates'>,
  serving: Pick<ServingPair, 'notBefore' | 'notAfter'> | undefined,
  rotation: MeshConfigStatus['rotation'],
): readonly WatchedCertificate[] {
  const { activeRoot: root } = authority;
  return [
    ...(root
      ? [
          {
            name: `the root certificate ${root.id.slice(0, 12)}`,
            ...{ notBefore: root.notBefore, notAfter: root.notAfter },
            isReplaced: rotation !== undefined,
            remedy: root.replaceable
              ? 'the mesh replaces it at 70 %, and has not; status.rotation and status.lastRotation say why'
              : 'the mesh does not hold its key; make another one where it is kept, and ask for a rotation',
          },
        ]
      : []),
    ...authority.intermediates.map((certificate) => ({
      name: `the intermediate certificate ${shortId(certificate)}`,
      ...validity(certificate),
      remedy: 'put another one under the same root where the authority keeps it',
    })),
    ...(serving
      ? [
          {
            name: 'the certificate of webhook and signing port',
            ...{ notBefore: serving.notBefore, notAfter: serving.notAfter },
            remedy: 'the operator renews it at 60 %, and could not; its log says why',
          },
        ]
      : []),
  ];
}

/** The first 12 digits of a certificate's SHA-256, as metrics name it. */
export function shortId({ raw }: X509Certificate): string {
  return sha256Hex(raw).slice(0, 12);
}
