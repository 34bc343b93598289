import { EXIT, type Command } from '@postern/terminal';
import type { FwknopImport } from '../../config/fwknop/convert.ts';
import type { OfferedService } from '../../config/fwknop/format.ts';
import type { GateConfiguration } from '../../config/load.ts';
import { CONFIG, configFile, JSON_OUTPUT } from '../options.ts';

const TITLES = { offer: 'how its client moves to native SPA, each when it likes' };

/** What there is already, as far as it can be read: what is only shown needs no configuration. */
async function presentGate(config: string, needed: boolean): Promise<Pick<GateConfiguration, 'services' | 'port'>> {
  const [{ existsSync }, { loadGate }, { DEFAULT_PORT }] = await Promise.all([
    import('node:fs'),
    import('../../config/load.ts'),
    import('../../config/schema.ts'),
  ]);
  return needed || existsSync(config) ? loadGate(config) : { services: [], port: DEFAULT_PORT };
}

/** Adds the stanzas and services to posternd.toml, and writes their keys beside it: both, or neither. */
async function write(config: string, toml: string, all: FwknopImport): Promise<string> {
  const [{ unlinkSync }, { writeAtomically }, keysFile, { keysOf }, { prepareAddition }] = await Promise.all([
    import('node:fs'),
    import('../../config/atomic-write.ts'),
    import('../../config/fwknop/keys-file.ts'),
    import('../../config/fwknop/format.ts'),
    import('../add-to-configuration.ts'),
  ]);
  const path = keysFile.fwknopKeysFile(config);
  const keys = keysFile.formatFwknopKeys(keysOf(all.sources));
  const add = prepareAddition(config, toml, 'these stanzas', keysFile.parseFwknopKeys(path, keys));
  writeAtomically(path, keys, { mode: 0o600, fresh: true });
  try {
    add();
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
  return path;
}

function closing(services: readonly OfferedService[]): string {
  const hide = services.map(({ name }) => `posternd protect ${name}`).join('; ');
  return `\`posternd check\`, then \`posternd reload\`${hide === '' ? '' : `; what is not hidden, nobody has to open: ${hide}`}`;
}

/** `posternd import fwknop`. */
export const importFwknopCommand: Command = {
  name: 'import fwknop',
  summary: 'turn the configuration of fwknopd into stanzas of this gate',
  description: [
    'Writes the stanzas of access.conf and what fwknopd.conf says as TOML on standard output, and on standard error a report: what cannot be taken over, how each client moves to native SPA while both are accepted, what is weak, what has another meaning or none, and what was carried over. With `--write` it is added to `posternd.toml`, and the keys go into `fwknop.keys` beside it; keys are never shown.',
    'Ports that stanzas open and that belong to no service become services, because only those can be hidden: `posternd protect` does it.',
    'A stanza without an HMAC is refused, unless it says `ALLOW_NO_HMAC Y;`, a variable of ours that fwknopd passes over. So is what cannot be done here, such as FORWARD_ALL. Files with keys that others may read are not read at all.',
    'Exit codes: 0 everything was taken over, 1 something was not.',
  ],
  arguments: [
    {
      name: 'directory',
      help: 'the directory with fwknopd.conf and access.conf; /etc/fwknop if not given',
      optional: true,
    },
  ],
  options: [{ name: 'write', help: 'add the stanzas to posternd.toml, and write their keys' }, JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd import fwknop', does: 'shows what /etc/fwknop is here, and changes nothing' },
    { line: 'posternd import fwknop --write && posternd reload', does: 'takes it over' },
    { line: 'posternd run --fwknop /etc/fwknop', does: 'runs straight from it instead' },
  ],
  run: async (parsed, io) => {
    const [{ importFwknop, FWKNOP_DIRECTORY }, { formatFwknop }, offers, { showReport }] = await Promise.all([
      import('../../config/fwknop/load.ts'),
      import('../../config/fwknop/format.ts'),
      import('../../config/fwknop/offers.ts'),
      import('../import-report.ts'),
    ]);
    const directory = parsed.arguments['directory'] ?? FWKNOP_DIRECTORY;
    const all = importFwknop(directory);
    const config = configFile(parsed);
    const writes = parsed.flags.has('write');
    const { services: present, port } = await presentGate(config, writes);
    const services = offers.offeredServices(all, present, port);
    const toml = formatFwknop(all, directory, services);
    const keys = writes ? await write(config, toml, all) : undefined;
    const reported = all.sources.map((source) => ({
      ...source,
      notes: [...source.notes, ...offers.movingNotes(source, present, services)],
    }));
    if (parsed.flags.has('json')) {
      const sources = reported.map(({ stanzas, ...source }) => ({
        ...source,
        stanzas: stanzas.map(({ name, table }) => ({ name, table })),
      }));
      const written = keys === undefined ? null : { config, keys };
      const { settings, notes } = all;
      io.out(JSON.stringify({ directory, toml, written, settings, services, sources, notes }));
    } else {
      if (keys === undefined) {
        io.out(toml.trimEnd());
        io.err('the keys are not shown: `--write` puts them into fwknop.keys');
      } else io.out(`added to ${config}, the keys to ${keys}; ${closing(services)}`);
      const notes = [
        ...all.notes.map((note) => ({ note, about: undefined })),
        ...reported.flatMap((source) => source.notes.map((note) => ({ note, about: source.name }))),
      ];
      showReport(notes, directory, TITLES, io);
    }
    const whole = all.settings.hear !== undefined && all.sources.every(({ stanzas }) => stanzas.length > 0);
    return whole ? EXIT.ok : EXIT.failed;
  },
};
