/** Native doors as the text of a posternd.toml. */
import type { DoorTable } from '../door-schema.ts';
import { tableText } from '../toml-text.ts';
import type { Import, Imported } from './convert.ts';

/** What a door is with `--native`: its knocks and the service, without commands. */
export function nativeTable({ table, offer }: Imported): DoorTable | undefined {
  if (table === undefined || offer === undefined || offer.ports.length === 0) return table;
  const { start: _1, start6: _2, stop: _3, stop6: _4, stop_after: _5, user: _6, ...knocks } = table;
  return { ...knocks, service: offer.service, seconds: offer.seconds };
}

/**
 * The text of the doors; with `native`, commands that a grant can stand in for are one, and its services are there too.
 *
 * @param origin - the knockd.conf, for the comment
 */
export function formatImport({ doors }: Import, origin: string, native: boolean): string {
  const lines = [`# From ${origin.replace(/[\n\r]/g, ' ')}, by \`posternd import knockd\`.`];
  const services = new Map<string, { ports: string[]; seconds: number }>();
  for (const { offer } of native ? doors : []) {
    if (offer === undefined || offer.ports.length === 0) continue;
    const known = services.get(offer.service) ?? { ports: [], seconds: 0 };
    services.set(offer.service, {
      ports: [...new Set([...known.ports, ...offer.ports])],
      seconds: Math.max(known.seconds, offer.seconds),
    });
  }
  for (const [name, service] of services) lines.push('', ...tableText(['services', name], service));
  for (const door of doors) {
    if (native && door.offer?.ports.length === 0) continue;
    const table = native ? nativeTable(door) : door.table;
    if (table !== undefined) lines.push('', ...tableText(['doors', door.name], table));
    else lines.push('', `# The door ${door.name} is not here: see the report.`);
  }
  return `${lines.join('\n')}\n`;
}
