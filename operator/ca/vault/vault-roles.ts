import type { TrustDomain } from '#core/spiffe-id.ts';

/**
 * The two roles that signing goes through. They limit what Vault signs for the operator's token: identities of this trust domain,
 * and the operator's own host names. https://developer.hashicorp.com/vault/api-docs/secret/pki#create-update-role
 */

export const WORKLOAD_ROLE = 'mesh-workload';
export const SERVING_ROLE = 'mesh-serving';

type Role = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/**
 * Seconds that certificates begin before they are made, for clocks that are behind. Not more than Vault's own default: it refuses
 * what begins before its issuer, and an issuer made a moment ago begins that long before.
 */
const BACKDATE_S = 30;

/** Names come from the parameters of each request, never from the CSR; no certificate is stored in Vault. */
const COMMON: Role = {
  use_csr_common_name: false,
  use_csr_sans: false,
  require_cn: false,
  cn_validations: ['disabled'],
  allow_ip_sans: false,
  allow_wildcard_certificates: false,
  key_type: 'any',
  basic_constraints_valid_for_non_ca: true,
  not_before_duration: BACKDATE_S,
  no_store: true,
  generate_lease: false,
  client_flag: false,
  server_flag: false,
  code_signing_flag: false,
  email_protection_flag: false,
  issuer_ref: 'default',
};

/** For leaves of workloads: one URI of the trust domain, and a common name for people. */
export function workloadRole(domain: TrustDomain): Role {
  return {
    ...COMMON,
    allow_any_name: true,
    enforce_hostnames: false,
    allow_localhost: false,
    allowed_uri_sans: [`spiffe://${domain}/*`],
    key_usage: ['DigitalSignature', 'KeyEncipherment', 'DataEncipherment', 'KeyAgreement'],
    ext_key_usage: ['ClientAuth', 'ServerAuth'],
  };
}

/** For the operator's HTTPS port. */
export function servingRole(hostNames: readonly string[]): Role {
  return {
    ...COMMON,
    allow_any_name: false,
    enforce_hostnames: true,
    allow_localhost: false,
    allowed_domains: hostNames,
    allow_bare_domains: true,
    allow_subdomains: false,
    allowed_uri_sans: [],
    key_usage: ['DigitalSignature'],
    ext_key_usage: ['ServerAuth'],
  };
}

/** Whether a role as Vault tells it is the one wanted: fields that are not ours may be anything. */
export function isRole(found: unknown, wanted: Role): boolean {
  if (typeof found !== 'object' || found === null) return false;
  const fields = found as Readonly<Record<string, unknown>>;
  return Object.entries(wanted).every(
    ([name, value]) => JSON.stringify(fields[name]) === JSON.stringify(value),
  );
}
