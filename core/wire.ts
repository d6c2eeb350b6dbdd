/**
 * Words that two programs of the mesh must spell alike when they talk to one another. Changing one cuts off whoever still runs the version
 * before.
 */

/** Where the operator signs: `POST`, for pods and, at a port of its own, for machines outside. */
export const SIGN_PATH = '/v1/sign';

/** Where the operator says under which address it sees a machine outside. */
export const ADDRESS_PATH = '/v1/address';

/** The protocol (ALPN) by which the operator speaks to sidecars. */
export const ALPN_CONTROL = 'mesh-control/1';
