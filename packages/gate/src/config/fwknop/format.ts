/** An import as the text of a posternd.toml. */
import { tableText } from '../toml-text.ts';
import type { FwknopImport, ImportedSource } from './convert.ts';
import type { StanzaKeys } from './keys-file.ts';

/** A service that is offered: requests open ports, and only a service's are hidden. */
export interface OfferedService {
  readonly name: string;
  /** As the configuration writes them, `tcp/22`. */
  readonly ports: readonly string[];
}

/**
 * The text of [fwknop], its stanzas, and the services that are offered.
 *
 * @param origin - the directory, for the comment
 */
export function formatFwknop(all: FwknopImport, origin: string, services: readonly OfferedService[]): string {
  const lines = [
    `# From ${origin.replace(/[\n\r]/g, ' ')}, by \`posternd import fwknop\`. The keys are in fwknop.keys.`,
    ...tableText(['fwknop'], all.settings),
  ];
  for (const { name, ports } of services) lines.push('', ...tableText(['services', name], { ports }));
  for (const { name, stanzas } of all.sources) {
    if (stanzas.length === 0) lines.push('', `# The stanza ${name} is not here: see the report.`);
    for (const stanza of stanzas) lines.push('', ...tableText(['fwknop', 'stanzas', stanza.name], stanza.table));
  }
  return `${lines.join('\n')}\n`;
}

/** The keys of all stanzas by their names. */
export function keysOf(sources: readonly ImportedSource[]): ReadonlyMap<string, StanzaKeys> {
  return new Map(sources.flatMap(({ stanzas }) => stanzas.map(({ name, keys }) => [name, keys] as const)));
}
