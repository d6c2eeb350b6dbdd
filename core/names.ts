/**
 * Names of services and namespaces: DNS labels (RFC 1123), lower case only. Consul folds case in one place and not in
 * another, so a deny rule could be passed by writing a name in capitals; refusing capitals everywhere removes the question.
 */

declare const brand: unique symbol;

/** The logical name of a service. */
export type ServiceName = string & { readonly [brand]: 'ServiceName' };

/** The name of a Kubernetes namespace. */
export type NamespaceName = string & { readonly [brand]: 'NamespaceName' };

/** "Every service" or "every namespace" in an intention. A whole value only, never part of one. */
export const WILDCARD = '*';

export const DNS_LABEL_PATTERN = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$';
const DNS_LABEL = new RegExp(DNS_LABEL_PATTERN);

/** A DNS label or the wildcard. */
export const LABEL_OR_WILDCARD_PATTERN = '^(\\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$';

/** Whether `text` is a DNS label of RFC 1123: at most 63 of a-z, 0-9 and '-', no '-' at either end. */
export function isDnsLabel(text: string): boolean {
  return DNS_LABEL.test(text);
}

/**
 * What is wrong with a name and what to write instead, as a sentence for people; undefined when it is a DNS label.
 *
 * @param what what the name is for, such as "service name"
 */
export function nameFault(what: string, text: string, allowWildcard = false): string | undefined {
  if (isDnsLabel(text) || (allowWildcard && text === WILDCARD)) return undefined;
  if (text === '') return `${what} is empty`;
  if (text.includes(WILDCARD)) {
    return allowWildcard
      ? `${what} ${quote(text)}: a wildcard stands alone; write "*" for all, or a whole name`
      : `${what} ${quote(text)}: a wildcard is not allowed here; write a whole name`;
  }
  if (isDnsLabel(text.toLowerCase())) {
    return `${what} ${quote(text)}: upper case is not allowed; write ${quote(text.toLowerCase())}`;
  }
  if (text.length > 63) return `${what} ${quote(text.slice(0, 20) + '…')}: longer than 63 characters`;
  return `${what} ${quote(text)}: only a-z, 0-9 and "-" are allowed, with a letter or digit at both ends`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** @throws RangeError with a sentence for people when `text` is not a valid DNS label. */
export function serviceName(text: string): ServiceName {
  const fault = nameFault('service name', text);
  if (fault) throw new RangeError(fault);
  return text as ServiceName;
}

/** @throws RangeError with a sentence for people when `text` is not a valid DNS label. */
export function namespaceName(text: string): NamespaceName {
  const fault = nameFault('namespace', text);
  if (fault) throw new RangeError(fault);
  return text as NamespaceName;
}
