import { readRedirectSettings } from '../settings.ts';
import type { RedirectSettings } from '../settings.ts';

/** Every option of the redirection alone, and all together: name of the golden file -> environment. */
export const CASES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  defaults: {},
  'skip-inbound-ports': { MESH_SKIP_INBOUND_PORTS: '9090,9091' },
  'skip-outbound-ports': { MESH_SKIP_OUTBOUND_PORTS: '53,25' },
  'skip-outbound-cidrs': { MESH_SKIP_OUTBOUND_CIDRS: '10.0.0.0/8,192.0.2.7,fd00::/8,2001:db8::7' },
  'many-ports': { MESH_SKIP_INBOUND_PORTS: '8000-8019', MESH_SKIP_OUTBOUND_PORTS: '9000-9015' },
  everything: {
    MESH_SKIP_INBOUND_PORTS: '22,9090-9092',
    MESH_SKIP_OUTBOUND_PORTS: '25,53',
    MESH_SKIP_OUTBOUND_CIDRS: '10.0.0.0/8,10.1.0.0/16,fd00::/8',
  },
};

/** @throws Error when the environment has faults */
export function settingsOf(env: Readonly<Record<string, string>>): RedirectSettings {
  const read = readRedirectSettings(env);
  if ('faults' in read) throw new Error(read.faults.join('\n'));
  return read.settings;
}
