/** Other processes of the same sidecar, which may hold the tunnels that a peer vouches for in this one. */
export interface Siblings {
  /**
   * Asks them to judge a tunnel by the certificate that its peer showed here.
   *
   * @param hash of the tunnel's proof, see `hashOfProof`
   * @param shown certificates of the peer, its own first, as PEM
   * @returns whether one of them has that tunnel and judges it so from now on
   */
  renew(hash: string, shown: readonly string[]): Promise<boolean>;
}
