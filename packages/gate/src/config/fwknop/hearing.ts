/** Where fwknop's packets are heard, as posternd.toml writes it. */
import type { FwknopHearing } from './model.ts';

/** What a place to hear at is written like, for messages. */
export const HEARING_FORM = 'a place such as "udp/62201", "udp/10000-65535", "tcp/80" or "icmp" is expected';

const PORTS = /^(udp|tcp)\/([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/;

/** Reads `udp/62201`, `udp/10000-65535`, `tcp/80` or `icmp`; undefined for anything else. */
export function parseHearing(text: string): FwknopHearing | undefined {
  if (text === 'icmp') return { protocol: 'icmp' };
  const [, protocol, from, to = from] = PORTS.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (protocol === undefined || first > last || last > 65_535) return undefined;
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', first, last };
}

/** Writes what {@link parseHearing} reads. */
export function formatHearing(hearing: FwknopHearing): string {
  if (hearing.protocol === 'icmp') return 'icmp';
  const { protocol, first, last } = hearing;
  return first === last ? `${protocol}/${first}` : `${protocol}/${first}-${last}`;
}
