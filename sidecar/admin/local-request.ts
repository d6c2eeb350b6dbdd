import type { IncomingHttpHeaders } from 'node:http';

/** Every request to the local port must have this header with the value `true`: no web page, and no fetch of an address, has it by accident. */
export const LOCAL_REQUEST_HEADER = 'x-mesh-request';

const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * Why a request is not for a name of this machine; undefined when it is. A web page whose name was made to lead here sends that
 * name (DNS rebinding).
 */
export function localHostFault({ host = '' }: IncomingHttpHeaders): string | undefined {
  return LOCAL_HOST.test(host) ? undefined : 'write localhost, 127.0.0.1 or [::1] for the host';
}

/**
 * Why a request to the local port does not come from a tool of this pod; undefined when it does. Loopback keeps other pods out, and
 * neither a web page in a browser of this pod (cross-site request forgery) nor an application that is made to fetch an address of
 * somebody else's choice (server-side request forgery). A browser asks before it sends a header of our own (Fetch, 4.8: CORS-preflight
 * fetch), and is never told that it may.
 */
export function localRequestFault(headers: IncomingHttpHeaders): string | undefined {
  const wrongHost = localHostFault(headers);
  if (wrongHost !== undefined) return wrongHost;
  if (headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith('sec-fetch-')))
    return 'requests of browsers are not served';
  return headers[LOCAL_REQUEST_HEADER] === 'true'
    ? undefined
    : `the header "${LOCAL_REQUEST_HEADER}: true" is missing`;
}
