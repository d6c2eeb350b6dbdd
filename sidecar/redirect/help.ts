import { PORTS, SIDECAR_UID } from '#core/constants.ts';
import { SETTINGS_VARIABLES } from './settings.ts';

export const REDIRECT_HELP = `redirect: leads a pod's TCP connections through its mesh sidecar.

It loads one nftables table into the network namespace it runs in (iptables rules where the kernel has no nftables)
and ends. Loading it again replaces what it loaded before. It needs the capability NET_ADMIN.

  connections to the pod       -> port ${PORTS.inbound}, except ports ${PORTS.admin} and ${PORTS.inbound}
  connections of the pod       -> port ${PORTS.outbound}, except those of user ${SIDECAR_UID} (the sidecar) and those over loopback

Usage: redirect [--dry-run] [--tool auto|nft|iptables]

  --dry-run   print the script that would be loaded, and load nothing
  --tool      nft, iptables, or auto (default): nft, and iptables where nft is refused
  --help      print this

Environment (injection writes them from the pod's annotations):

  ${SETTINGS_VARIABLES.skipInboundPorts}     application ports reached without the mesh, such as "9090,9091"
  ${SETTINGS_VARIABLES.skipOutboundPorts}    destination ports reached without the mesh, such as "53,25"
  ${SETTINGS_VARIABLES.skipOutboundCidrs}    destinations reached without the mesh, such as "10.0.0.0/8,fd00::/8"

Examples:

  See what a pod's rules would be:      ${SETTINGS_VARIABLES.skipOutboundPorts}=25 redirect --dry-run
  See what an old kernel would get:     redirect --dry-run --tool iptables
`;
