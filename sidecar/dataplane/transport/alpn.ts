import { ALPN_CONTROL } from '#core/wire.ts';

/** Many streams in one TLS connection: docs/tunnel.md. */
export const ALPN_TUNNEL = 'mesh/1';

/** One stream per TLS connection: header, verdict, raw bytes. */
export const ALPN_STREAM = 'mesh-stream/1';

/** What a side that speaks tunnels, or does not, offers another sidecar, best first. */
export function offeredAlpn(tunnel: boolean): readonly string[] {
  return tunnel ? [ALPN_TUNNEL, ALPN_STREAM] : [ALPN_STREAM];
}

/**
 * Which protocol the inbound side takes of those a client offers. One that offers none of ours is a plain SPIFFE peer whose
 * bytes go to the application as they are; it must still be answered with something it offered, or TLS ends the connection.
 * `http/1.1` before `h2`: who offers both can do either, and applications behind sidecars speak the former more often.
 *
 * @param offered as the client listed them; not empty
 * @param tunnel whether this side speaks tunnels
 */
export function chooseAlpn(offered: readonly string[], tunnel: boolean): string | undefined {
  for (const wanted of [...offeredAlpn(tunnel), ALPN_CONTROL, 'http/1.1'])
    if (offered.includes(wanted)) return wanted;
  return offered[0];
}
