/** How to reach one API server, and as whom. Made by `inClusterConfig` and `kubeconfig`. */
export interface ClusterConfig {
  /** `https://host:port` (an IPv6 address in brackets), with a path when the server is behind one. */
  readonly server: string;
  /** The roots that may vouch for the server. Absent: the ones Node trusts. */
  readonly caPem?: string;
  /** Reads the roots again; called before each connection, so that a rotated cluster CA is taken up. */
  readonly readCa?: () => Promise<string>;
  /** Reads the bearer token from where it is kept. The client caches it for at most a minute. */
  readonly token?: () => Promise<string>;
  readonly clientCert?: { readonly certPem: string; readonly keyPem: string };
  /** The name to look for in the server's certificate, when it is not the host of `server`. */
  readonly tlsServerName?: string;
  /** Takes any certificate of the server. Only ever set by a kubeconfig that says so. */
  readonly insecureSkipTlsVerify?: boolean;
}
