/** The cipher of every proxy that lets one choose; it is what those choose that do not, where processors have AES. */
export const CIPHER = 'TLS_AES_128_GCM_SHA256';
