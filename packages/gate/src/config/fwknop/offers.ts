/** What is offered with an import: services for ports that have none, and the way of each client to native SPA. */
import { formatEndpoint } from '../endpoint.ts';
import type { Note } from '../import-note.ts';
import type { Service } from '../model.ts';
import type { FwknopImport, ImportedSource } from './convert.ts';
import type { OfferedService } from './format.ts';

/** What everybody calls these ports. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ 'tcp/22': 'ssh', 'tcp/25': 'smtp', 'tcp/80': 'http', 'tcp/443': 'https', 'tcp/993': 'imaps' },
  ...{ 'tcp/3389': 'rdp', 'tcp/5432': 'postgres', 'udp/1194': 'openvpn', 'udp/51820': 'wireguard' },
};

/** Ports that stanzas open by grants. */
function opened({ stanzas }: ImportedSource): readonly string[] {
  return stanzas.flatMap(({ table }) => (table.cycle === undefined ? (table.open_ports ?? []) : []));
}

/** A service for each port that stanzas open and no service has: only what is in a service can be hidden. */
export function offeredServices(
  { sources }: FwknopImport,
  services: readonly Service[],
  knockPort: number,
): readonly OfferedService[] {
  const taken = new Set<string>([
    ...services.flatMap(({ endpoints }) => endpoints.map(formatEndpoint)),
    `udp/${knockPort}`,
  ]);
  const names = new Set<string>(services.map(({ name }) => name));
  const offered: OfferedService[] = [];
  for (const port of new Set(sources.flatMap(opened))) {
    if (taken.has(port)) continue;
    const plain = NAMES[port] ?? port.replace('/', '-');
    const name = names.has(plain) ? `${plain}-fwknop` : plain;
    if (names.has(name)) continue;
    names.add(name);
    offered.push({ name, ports: [port] });
  }
  return offered;
}

/** For each stanza how its client can move, one at a time, while both are accepted. */
export function movingNotes(
  source: ImportedSource,
  services: readonly Service[],
  offered: readonly OfferedService[],
): readonly Note[] {
  const [stanza] = source.stanzas;
  if (stanza === undefined) return [];
  const at = { fate: 'offer', file: source.file, line: source.line } as const;
  const { cycle, command_user } = stanza.table;
  if (cycle !== undefined)
    return [{ ...at, text: 'it runs commands in place of a grant, which no native request does: it stays as it is' }];
  const stays = command_user === undefined ? '' : '; commands of clients have no native counterpart: keep it for those';
  const ports = new Set(opened(source));
  const has = (endpoints: readonly string[]): boolean => endpoints.some((port) => ports.has(port));
  const names = [
    ...services.filter(({ endpoints }) => has(endpoints.map(formatEndpoint))).map(({ name }) => name),
    ...offered.filter((service) => has(service.ports)).map(({ name }) => name),
  ];
  const options = (names.length === 0 ? ['NAME'] : names).map((name) => ` --service ${name}`).join('');
  const tables = source.stanzas.map(({ name }) => `[fwknop.stanzas.${name}]`).join(' and ');
  return [
    {
      ...at,
      text: `its client can move, and both are accepted until then${stays}`,
      mend: [
        `posternd user add ${source.name}${options}`,
        `posternd invite ${source.name}`,
        `# and when it has come by its own key: remove ${tables} and its keys, then posternd reload`,
      ],
    },
  ];
}
