import type { UnixMicros } from '@postern/protocol';
import type { Endpoint } from '../../firewall/port.ts';
import type { FwknopStanza } from './model.ts';

function has(endpoints: readonly Endpoint[], { protocol, port }: Endpoint): boolean {
  return endpoints.some((it) => it.protocol === protocol && it.port === port);
}

/** Whether OPEN_PORTS and RESTRICT_PORTS of a stanza let requests ask for a port. */
export function listsPort({ openPorts, restrictPorts }: FwknopStanza, endpoint: Endpoint): boolean {
  return (openPorts === undefined || has(openPorts, endpoint)) && !has(restrictPorts, endpoint);
}

/** Whether requests of a stanza may open a port of this host at a time: by a grant, which commands in its place give none of. */
export function mayOpen(stanza: FwknopStanza, endpoint: Endpoint, now: UnixMicros): boolean {
  if (stanza.expires !== undefined && stanza.expires <= now) return false;
  return stanza.cycle === undefined && listsPort(stanza, endpoint);
}
